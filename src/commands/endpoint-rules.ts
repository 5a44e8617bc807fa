import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import type { RoomRule } from '../core/room.ts';
import type { Rooms } from '../delivery/rooms.ts';
import { type EndpointRule, type EndpointRules, readEndpointRules } from '../postgres/endpoints-table.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { within } from '../runtime/within.ts';

const READ_EVERY_MS = 1000;
const LAST_HOLDS = 'rule_nats_endpoints cannot be read now; what it said last holds';
const NEVER_READ =
  'rule_nats_endpoints cannot be read yet: until then no pause is known, and this worker takes caps and rates for itself alone';
/** By then, every peer has read that there is one worker more, in milliseconds. */
const LEARNED_MS = READ_EVERY_MS + 200;
/** How long deliveries wait for the first answer: what is paused stays paused over a restart. */
const FIRST_READ_MS = 2000;

/**
 * Follows what operators say of endpoints in `rule_nats_endpoints`, and how many workers share what the group may do. While PostgreSQL
 * is away, what it said last holds.
 *
 * @returns what ends it, once they were read, or could not be.
 */
export async function followEndpointRules(
  settings: Settings,
  pool: pg.Pool,
  rooms: Rooms,
  log: Logger,
): Promise<() => void> {
  const group = { streamName: settings.STREAM_NAME, queueGroup: settings.QUEUE_GROUP };
  let isReading = false;
  let saidAway = false;
  let last = '';
  let isShared = false;

  async function read(): Promise<void> {
    if (isReading) return;
    isReading = true;
    try {
      const said = await readEndpointRules(pool, group);
      const now = JSON.stringify([said.liveWorkers, [...said.rules]]);
      if (now !== last) rooms.obey((key) => roomRule(settings, said, said.rules.get(key)));
      last = now;
      isShared = said.liveWorkers > 1 && isLimited(settings, said);
      saidAway = false;
    } catch (error) {
      const message = { error: errorMessage(error) };
      if (!saidAway) log.warn(message, last === '' ? NEVER_READ : LAST_HOLDS);
      saidAway = true;
    } finally {
      isReading = false;
    }
  }

  await within(FIRST_READ_MS, read());
  // Peers give up a part of what they may do when they see us: before that, we would come on top.
  if (isShared) await wait(LEARNED_MS);
  const timer = setInterval(read, READ_EVERY_MS);
  return () => clearInterval(timer);
}

/** What one worker of the group may do: its share, of attempts at once one at least. */
export function roomRule(
  settings: Pick<Settings, 'ENDPOINT_CONCURRENCY' | 'ENDPOINT_RATE_LIMIT'>,
  { liveWorkers }: Pick<EndpointRules, 'liveWorkers'>,
  rule: EndpointRule | undefined,
): RoomRule {
  const concurrency = rule?.maxConcurrency ?? settings.ENDPOINT_CONCURRENCY;
  const perSecond = rule?.rateLimit ?? settings.ENDPOINT_RATE_LIMIT;
  return {
    paused: rule?.paused === true ? (rule.pausedReason ?? 'by an operator') : null,
    concurrency: concurrency == null ? null : Math.max(1, Math.floor(concurrency / liveWorkers)),
    perSecond: perSecond == null ? null : perSecond / liveWorkers,
  };
}

function isLimited(settings: Settings, { rules }: EndpointRules): boolean {
  if (settings.ENDPOINT_CONCURRENCY != null || settings.ENDPOINT_RATE_LIMIT != null) return true;
  return [...rules.values()].some(
    ({ maxConcurrency, rateLimit }) => maxConcurrency !== null || rateLimit !== null,
  );
}
