import { type DiscardPolicy, nanos, type StreamConfig, type StreamInfo } from 'nats';
import { errorMessage } from '../../runtime/failure.ts';
import { isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import type { StreamWanted } from './stream-config.ts';
import { noLimitAsMinusOne } from './stream-config.ts';

/** A change of a stream that follows its row: applied, or refused by NATS. */
export type StreamChange = {
  readonly changes: string;
  /** Why NATS refused the change, with the cure. Null: the change is applied. */
  readonly refused: { readonly error: string; readonly hint: string } | null;
};

/** Marks a stream that follows its row of `rule_nats_streams`: the worker created the stream, or changed it before. */
export const MANAGED_BY_ROW = { 'nats-webhook-worker': 'follows rule_nats_streams' };

export function isManagedByRow(config: StreamConfig): boolean {
  return Object.entries(MANAGED_BY_ROW).every(([name, value]) => config.metadata?.[name] === value);
}

/**
 * Changes the subjects, limits, discard policy, replicas and duplicate window of an existing stream. Storage and retention cannot
 * be changed; the warnings report them.
 *
 * @returns the stream as it is now, and the changes, applied or refused.
 */
export async function updateStream(
  client: NatsClient,
  info: StreamInfo,
  wanted: StreamWanted,
): Promise<{ readonly info: StreamInfo; readonly says: readonly StreamChange[] }> {
  const changes = changesOf(info.config, wanted);
  if (changes.length === 0) return { info, says: [] };
  const described = changes.map(({ name, from, to }) => `${name} ${from} -> ${to}`).join(', ');
  // A single server accepts more replicas without an error, but does not make them.
  if (wanted.replicas > 1 && client.connection.info?.cluster === undefined) {
    const error = `${wanted.replicas} replicas need a cluster, and this nats-server is not in a cluster`;
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
    const hint = 'Change the row of rule_nats_streams, or remove the stream and create it again.';
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
