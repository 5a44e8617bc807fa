import type { FastifyInstance } from 'fastify';
import { isoTime } from '../core/time.ts';
import type { Problem } from '../runtime/problem.ts';
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

export type StatsRouteOptions = {
  readonly access: Access;
  readonly stats: {
    /** Rejects while PostgreSQL is away. */
    counts(): Promise<readonly Count[]>;
    waiting(): Promise<Waiting>;
  };
  readonly now: () => number;
};

/** How old an answer may be, in milliseconds: many callers cost one look. */
const KEEP_MS = 10_000;

const UNKNOWN_NOW: Problem = {
  kind: INGEST_PROBLEMS.statusUnknown,
  detail: 'PostgreSQL cannot be asked now. Deliveries go on without it.',
  retryAfterSeconds: 5,
};

/** `GET /webhooks/stats`. */
export function addStatsRoute(
  app: FastifyInstance,
  url: string,
  { access, stats, now }: StatsRouteOptions,
): void {
  let known: { readonly at: number; readonly body: Promise<string | null> } | null = null;

  async function read(at: number): Promise<string | null> {
    const found = await Promise.all([stats.counts(), stats.waiting()]).catch(() => null);
    return found === null ? null : JSON.stringify(bodyOf(at, ...found));
  }

  app.get(url, { schema: statsSchema }, async (request, reply) => {
    const caller = await access.callerOf(request);
    if (isProblem(caller)) return sendProblem(request, reply, caller);
    const refusal = caller.refusal('stats');
    if (refusal !== null) return sendProblem(request, reply, refusal);
    const at = now();
    if (known === null || at - known.at >= KEEP_MS || at < known.at) known = { at, body: read(at) };
    const body = await known.body;
    if (body !== null) return reply.type('application/json').header('cache-control', 'no-store').send(body);
    known = null;
    return sendProblem(request, reply, UNKNOWN_NOW);
  });
}

function bodyOf(at: number, counts: readonly Count[], waiting: Waiting) {
  const by = (keyOf: (count: Count) => string) => {
    const sums = new Map<string, number>();
    for (const count of counts) sums.set(keyOf(count), (sums.get(keyOf(count)) ?? 0) + count.deliveries);
    return Object.fromEntries(sums);
  };
  const { deadLetters, ...others } = waiting;
  return {
    as_of: isoTime(at),
    waiting: { ...others, dead_letters: deadLetters },
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
