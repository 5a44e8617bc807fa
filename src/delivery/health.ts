import type { Logger } from '../runtime/logger.ts';

/** What a part of the worker says of itself: null where all is well. */
export type HealthProblems = {
  readonly nats: string | null;
  readonly deadLetters: string | null;
  readonly parking: string | null;
  readonly order: string | null;
  readonly postgres: string | null;
};

export type Health = {
  /** ok: all is well. degraded: deliveries go on, something beside them does not. failing: deliveries do not. */
  readonly status: 'ok' | 'degraded' | 'failing' | 'draining';
  readonly troubles: Partial<HealthProblems>;
};

/**
 * PostgreSQL being away does not stop deliveries, nor do endpoints whose messages cannot be parked stop the others, nor does the
 * lack of order stop what needs none;
 * NATS being away, or dead letters that find no place, do.
 */
export function evaluateHealth(troubles: HealthProblems, draining: boolean): Health {
  const named = Object.fromEntries(Object.entries(troubles).filter(([, trouble]) => trouble !== null));
  if (draining) return { status: 'draining', troubles: named };
  if (troubles.nats !== null || troubles.deadLetters !== null) return { status: 'failing', troubles: named };
  const isWell = troubles.postgres === null && troubles.parking === null && troubles.order === null;
  return { status: isWell ? 'ok' : 'degraded', troubles: named };
}
const CHECK_EVERY_MS = 1000;

/** Trouble that lasts is spoken of again after this long, in milliseconds. */
const LOG_AGAIN_MS = 60_000;
const CURED = 'Deliveries have stopped, and go on by themselves when the problems in this line are cured.';

/**
 * Says once why deliveries fail, and once that they go on. What is over within a second or two, as an election is, is
 * not spoken of; PostgreSQL is left to the statistics, and a lost connection to the client, which speak for themselves.
 *
 * @returns what ends it.
 */
export function logHealth(health: () => Health, log: Logger): () => void {
  let saidAt: number | null = null;
  let looksInTrouble = 0;

  const timer = setInterval(() => {
    const { status, troubles } = health();
    if (status === 'draining') return;
    looksInTrouble = status === 'failing' ? looksInTrouble + 1 : 0;
    const now = performance.now();
    if (status !== 'failing' && saidAt !== null) {
      saidAt = null;
      log.info({}, 'worker.recovered');
    } else if (looksInTrouble > 1 && (saidAt === null || now - saidAt >= LOG_AGAIN_MS)) {
      saidAt = now;
      log.error({ ...troubles, hint: CURED }, 'worker.failing');
    }
  }, CHECK_EVERY_MS);
  return () => clearInterval(timer);
}
