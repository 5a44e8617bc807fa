import { EGRESS_PROXY_AWAY, EGRESS_PROXY_LOGIN } from '../../http/proxy-pool.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';

/** A fault that lasts is logged again after this long, in milliseconds. */
const LOG_AGAIN_MS = 10_000;

/** Logs why deliveries wait for this machine or its proxy: at once, and every LOG_AGAIN_MS while the fault lasts. */
export function logLocalFaults(log: Logger): (code: string) => void {
  const faults = new ProblemLog({ againAfterMs: LOG_AGAIN_MS });
  return (code) =>
    faults.report(() => log.error({ code, hint: HINTS[code] ?? NO_SOCKET }, 'worker.local_fault'), code);
}

const WAITING = 'Deliveries wait, and the worker counts no attempt.';
const NO_SOCKET = `This machine cannot open another connection. ${WAITING}`;
const HINTS: Record<string, string> = {
  [EGRESS_PROXY_AWAY]: `EGRESS_PROXY cannot be reached. ${WAITING}`,
  [EGRESS_PROXY_LOGIN]: `EGRESS_PROXY refuses the login of the worker (407): correct the user and the password in EGRESS_PROXY. ${WAITING}`,
};
