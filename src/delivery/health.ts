import type { Clock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';
import type { Logger } from '../runtime/logger.ts';
import { ProblemLog } from '../runtime/problem-log.ts';

/** The problem of each part of the worker; null: none. */
export type HealthProblems = {
  readonly nats: string | null;
  readonly deadLetters: string | null;
  readonly parking: string | null;
  readonly order: string | null;
  readonly postgres: string | null;
  /** The settings of the workers of the group differ. */
  readonly settings: string | null;
  /** Somebody configured a stream or the durable so that messages are not delivered. */
  readonly configuration: string | null;
};

export type Health = {
  /** ok: no problem. degraded: deliveries go on, but another part has a problem. failing: deliveries have stopped. */
  readonly status: 'ok' | 'degraded' | 'failing' | 'draining';
  readonly troubles: Partial<HealthProblems>;
};

/**
 * A problem of NATS or of the dead-letter stream stops deliveries: failing. A problem of PostgreSQL, of the parked stream or of
 * the ordered stream does not: degraded. Without PostgreSQL, deliveries go on. Without the parked stream, messages of endpoints
 * with capacity are delivered. Without the ordered stream, messages without an ordering key are delivered. With settings that
 * differ from those of peers, each worker delivers what it may. With a durable that is paused, or a SUBJECT that matches nothing,
 * parked and ordered messages are delivered, and a restart of the worker would not help.
 */
export function evaluateHealth(troubles: HealthProblems, draining: boolean): Health {
  const named = Object.fromEntries(Object.entries(troubles).filter(([, trouble]) => trouble !== null));
  if (draining) return { status: 'draining', troubles: named };
  if (troubles.nats !== null || troubles.deadLetters !== null) return { status: 'failing', troubles: named };
  return { status: Object.keys(named).length === 0 ? 'ok' : 'degraded', troubles: named };
}

const CHECK_EVERY_MS = 1000;

/** A problem that lasts is logged again after this long, in milliseconds. */
const LOG_AGAIN_MS = 60_000;
const CURED = 'Deliveries have stopped. They go on by themselves when the problems in this line are cured.';

/**
 * Logs why deliveries have stopped, every LOG_AGAIN_MS while that lasts, and once that they go on. A problem that two checks in
 * a row do not find is not logged: an election is over within 2 s. Problems of PostgreSQL are logged by the statistics, and a
 * lost connection by the NATS client.
 *
 * @returns A function that stops the checks.
 */
export function logHealth(health: () => Health, log: Logger, clock: Clock): () => void {
  const problem = new ProblemLog({
    clock,
    againAfterMs: LOG_AGAIN_MS,
    sayOver: () => log.info({}, 'worker.recovered'),
  });
  let failedChecks = 0;

  const check = () => {
    const { status, troubles } = health();
    if (status === 'draining') return;
    failedChecks = status === 'failing' ? failedChecks + 1 : 0;
    if (status !== 'failing') problem.clear();
    else if (failedChecks > 1)
      problem.report(() => log.error({ ...troubles, hint: CURED }, 'worker.failing'));
  };
  return every(CHECK_EVERY_MS, check, { clock });
}
