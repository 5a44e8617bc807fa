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
    log.error({ code }, SENTENCES[code] ?? NO_ROOM);
  };
}

const NO_ROOM = 'this machine has no room for another connection; deliveries wait for it';
const SENTENCES: Record<string, string> = {
  [EGRESS_PROXY_AWAY]:
    'EGRESS_PROXY cannot be reached; deliveries wait for it, and no attempt of theirs is counted',
  [EGRESS_PROXY_LOGIN]:
    'EGRESS_PROXY refuses our login (407): correct the user and the password in it; deliveries wait, and no attempt of theirs is counted',
};
