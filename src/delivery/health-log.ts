import type { Logger } from '../runtime/logger.ts';
import type { Health } from './health.ts';

const LOOK_EVERY_MS = 1000;
/** Trouble that lasts is spoken of again after this long, in milliseconds. */
const SAY_AGAIN_MS = 60_000;

/**
 * Says once why deliveries fail, and once that they go on. What is over within a second or two, as an election is, is
 * not spoken of; PostgreSQL is left to the statistics, and a lost connection to the client, which speak for themselves.
 *
 * @returns what ends it.
 */
export function tellHealth(health: () => Health, log: Logger): () => void {
  let saidAt: number | null = null;
  let looksInTrouble = 0;

  const timer = setInterval(() => {
    const { status, troubles } = health();
    if (status === 'draining') return;
    looksInTrouble = status === 'failing' ? looksInTrouble + 1 : 0;
    const now = performance.now();
    if (status !== 'failing' && saidAt !== null) {
      saidAt = null;
      log.info('deliveries are well again');
    } else if (looksInTrouble > 1 && (saidAt === null || now - saidAt >= SAY_AGAIN_MS)) {
      saidAt = now;
      log.error(troubles, 'deliveries fail; they go on by themselves when this is cured');
    }
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}
