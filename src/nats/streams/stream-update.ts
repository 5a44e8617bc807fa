import { type DiscardPolicy, nanos, type StreamConfig, type StreamInfo } from 'nats';
import { errorMessage } from '../../runtime/failure.ts';
import { isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import type { StreamWanted } from './stream-config.ts';
import { noLimitAsMinusOne } from './stream-config.ts';

/** What was done to a stream that follows its row, or was refused. */
export type StreamChange = {
  readonly changes: string;
  /** Why it was refused, with the cure; null: it was done. */
  readonly refused: { readonly error: string; readonly hint: string } | null;
};

/** Marks a stream that follows its row of `rule_nats_streams`: we made it, or have changed it before. */
export const MANAGED_BY_ROW = { 'nats-webhook-worker': 'follows rule_nats_streams' };

export function isManagedByRow(config: StreamConfig): boolean {
  return Object.entries(MANAGED_BY_ROW).every(([name, value]) => config.metadata?.[name] === value);
}

/**
 * Changes what can be changed in a live stream: subjects, limits, discard policy, replicas, duplicate window.
 * Storage and retention stay as they are; the warnings say so.
 *
 * @returns the stream as it is now, and what was done or refused.
 */
export async function updateStream(
  client: NatsClient,
  info: StreamInfo,
  wanted: StreamWanted,
): Promise<{ readonly info: StreamInfo; readonly says: readonly StreamChange[] }> {
  const changes = changesOf(info.config, wanted);
  if (changes.length === 0) return { info, says: [] };
  const described = changes.map(({ name, from, to }) => `${name} ${from} -> ${to}`).join(', ');
  // A single server takes more replicas without a word, and then does not have them.
  if (wanted.replicas > 1 && client.connection.info?.cluster === undefined) {
    const error = `${wanted.replicas} replicas need a cluster, and this nats-server is alone`;
    return {
      info,
      says: [{ changes: described, refused: { error, hint: 'Change the row of rule_nats_streams.' } }],
    };
  }
  try {
    const updated = await client.manager.streams.update(wanted.name, {
      ...Object.assign({}, ...changes.map(({ config }) => config)),
      metadata: { ...info.config.metadata, ...MANAGED_BY_ROW },
    });
    return { info: updated, says: [{ changes: described, refused: null }] };
  } catch (error) {
    if (isTemporary(error)) throw error;
    const hint = 'Change the row of rule_nats_streams, or make the stream anew.';
    return { info, says: [{ changes: described, refused: { error: errorMessage(error), hint } }] };
  }
}

type Change = {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly config: Partial<StreamConfig>;
};

function changesOf(actual: StreamConfig, wanted: StreamWanted): Change[] {
  const changes: Change[] = [];
  const compare = (name: string, from: unknown, to: unknown, config: Partial<StreamConfig>) => {
    if (String(from) !== String(to)) changes.push({ name, from: String(from), to: String(to), config });
  };
  const seconds = (duration: number) => duration / nanos(1000);
  const [maxMessages, maxBytes] = [noLimitAsMinusOne(wanted.maxMessages), noLimitAsMinusOne(wanted.maxBytes)];
  const maxAgeSeconds = Math.max(0, wanted.maxAgeSeconds);
  compare('subjects', [...actual.subjects].sort(), [...wanted.subjects].sort(), {
    subjects: [...wanted.subjects],
  });
  compare('max_msgs', noLimitAsMinusOne(actual.max_msgs), maxMessages, { max_msgs: maxMessages });
  compare('max_bytes', noLimitAsMinusOne(actual.max_bytes), maxBytes, { max_bytes: maxBytes });
  compare('max_age (s)', seconds(actual.max_age), maxAgeSeconds, { max_age: nanos(maxAgeSeconds * 1000) });
  compare('discard', actual.discard, wanted.discard, { discard: wanted.discard as DiscardPolicy });
  compare('replicas', actual.num_replicas, wanted.replicas, { num_replicas: wanted.replicas });
  const window = wanted.duplicateWindowSeconds;
  if (window > 0) {
    compare('duplicate_window (s)', seconds(actual.duplicate_window), window, {
      duplicate_window: nanos(window * 1000),
    });
  }
  return changes;
}
