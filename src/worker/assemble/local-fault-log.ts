import { EGRESS_PROXY_AWAY, EGRESS_PROXY_LOGIN } from '../../http/proxy-pool.ts';
import type { Logger } from '../../runtime/logger.ts';

const SAY_AGAIN_MS = 10_000;

/** Says why deliveries wait for something of ours: at once, and then now and then. */
export function logLocalFaults(log: Logger): (code: string) => void {
  const saidAt = new Map<string, number>();
  return (code) => {
    const now = performance.now();
    if (now - (saidAt.get(code) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS) return;
    saidAt.set(code, now);
    log.error({ code, hint: HINTS[code] ?? NO_ROOM }, 'worker.local_fault');
  };
}

const WAITING = 'Deliveries wait, and the worker counts no attempt.';
const NO_ROOM = `This machine has no room for another connection. ${WAITING}`;
const HINTS: Record<string, string> = {
  [EGRESS_PROXY_AWAY]: `EGRESS_PROXY cannot be reached. ${WAITING}`,
  [EGRESS_PROXY_LOGIN]: `EGRESS_PROXY refuses our login (407): correct the user and the password in EGRESS_PROXY. ${WAITING}`,
};
