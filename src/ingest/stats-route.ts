import type { FastifyInstance } from 'fastify';
import { isoTime } from '../core/time.ts';
import type { Problem } from '../runtime/problem.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { type Access, isProblem } from './caller.ts';
import { INGEST_PROBLEMS } from './problems.ts';
import { sendProblem } from './reply.ts';
import { statsSchema } from './status-schemas.ts';

/** Deliveries that have these in common. `hour`: its beginning, in milliseconds since 1970. */
export type Count = {
  readonly name: string;
  readonly eventType: string | null;
  readonly status: string;
  readonly hour: number;
  readonly deliveries: number;
};

/** Messages in NATS. Null: unknown. */
export type Waiting = {
  readonly pending: number | null;
  readonly parked: number | null;
  readonly scheduled: number | null;
  readonly ordered: number | null;
  readonly deadLetters: number | null;
};

/** What waits in the outbox. At most 100 000 each. */
export type Outbox = {
  readonly waiting: number;
  readonly failed: number;
  /** Of the oldest row that waits, in milliseconds; null: none waits. */
  readonly oldestAgeMs: number | null;
};

export type StatsRouteOptions = {
  readonly access: Access;
  readonly stats: {
    /** Rejects while PostgreSQL is away. `tooSlow`: PostgreSQL gave up. */
    counts(): Promise<readonly Count[] | 'tooSlow'>;
    waiting(): Promise<Waiting>;
    /** Null: unknown. */
    outbox(): Promise<Outbox | null>;
  };
  readonly now: () => number;
};

/** How old an answer may be, in milliseconds: many callers cost one look. */
const KEEP_MS = 10_000;
/** How long a request waits for servers that do not answer at all, in milliseconds. Longer than PostgreSQL may count. */
const ANSWER_WITHIN_MS = 10_000;

const UNKNOWN_NOW: Problem = {
  kind: INGEST_PROBLEMS.statusUnknown,
  detail: 'PostgreSQL cannot be asked now. Deliveries go on without it.',
  retryAfterSeconds: 5,
};

const TOO_SLOW: Problem = {
  kind: INGEST_PROBLEMS.statsTooSlow,
  detail:
    'PostgreSQL did not finish in time, because it has much else to do, or very many attempts to count. Read the view ' +
    'nats_webhook_counts in SQL, with the command sql, where more time is left, or ask again later.',
  retryAfterSeconds: 30,
};

/** `GET /webhooks/stats`. */
export function addStatsRoute(
  app: FastifyInstance,
  url: string,
  { access, stats, now }: StatsRouteOptions,
): void {
  let known: { readonly at: number; readonly answer: string | Problem } | null = null;
  /** One at a time, so that servers that do not answer have one question each. */
  let reading: Promise<void> | null = null;

  async function read(at: number): Promise<void> {
    try {
      const [counts, waiting, outbox] = await Promise.all([
        stats.counts(),
        stats.waiting(),
        stats.outbox().catch(() => null),
      ]);
      const answer =
        counts === 'tooSlow' ? TOO_SLOW : JSON.stringify(bodyOf(at, { counts, waiting, outbox }));
      known = { at, answer };
    } catch {
      known = null;
    } finally {
      reading = null;
    }
  }

  async function answerAt(at: number): Promise<string | Problem> {
    if (known !== null && at - known.at < KEEP_MS && at >= known.at) return known.answer;
    known = null;
    reading ??= read(at);
    await withTimeout(ANSWER_WITHIN_MS, reading);
    return (known as { answer: string | Problem } | null)?.answer ?? UNKNOWN_NOW;
  }

  app.get(url, { schema: statsSchema }, async (request, reply) => {
    const caller = await access.callerOf(request);
    if (isProblem(caller)) return sendProblem(request, reply, caller);
    const refusal = caller.refusal('stats');
    if (refusal !== null) return sendProblem(request, reply, refusal);
    const answer = await answerAt(now());
    return typeof answer === 'string'
      ? reply.type('application/json').header('cache-control', 'no-store').send(answer)
      : sendProblem(request, reply, answer);
  });
}

type Known = {
  readonly counts: readonly Count[];
  readonly waiting: Waiting;
  readonly outbox: Outbox | null;
};

function bodyOf(at: number, { counts, waiting, outbox }: Known) {
  const by = (keyOf: (count: Count) => string) => {
    const sums = new Map<string, number>();
    for (const count of counts) sums.set(keyOf(count), (sums.get(keyOf(count)) ?? 0) + count.deliveries);
    return Object.fromEntries(sums);
  };
  const { deadLetters, ...others } = waiting;
  return {
    as_of: isoTime(at),
    waiting: { ...others, dead_letters: deadLetters },
    outbox:
      outbox === null
        ? null
        : { waiting: outbox.waiting, failed: outbox.failed, oldest_age_ms: outbox.oldestAgeMs },
    by_status: by(({ status }) => status),
    by_name: by(({ name }) => name),
    by_event_type: by(({ eventType }) => eventType ?? ''),
    by_hour: by(({ hour }) => isoTime(hour)),
    counts: counts.map(({ name, eventType, status, hour, deliveries }) => ({
      webhook_name: name,
      event_type: eventType,
      status,
      hour: isoTime(hour),
      deliveries,
    })),
  };
}
