import { type DiscardPolicy, nanos, type RetentionPolicy, type StorageType, type StreamInfo } from 'nats';
import { covers } from '../../core/subject.ts';
import { UserError } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, retryWhileUnavailable, userErrorFor } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import type { StreamWanted } from './stream-config.ts';
import { noLimitAsMinusOne } from './stream-config.ts';
import { isManagedByRow, MANAGED_BY_ROW, type StreamChange, updateStream } from './stream-update.ts';
import { streamWarnings } from './stream-warnings.ts';

export type StreamFound = {
  readonly name: string;
  /** Milliseconds since 1970. A recreated stream restarts its sequences: this time tells the two streams apart. */
  readonly createdAt: number;
  readonly retention: StreamWanted['retention'];
  readonly subjects: readonly string[];
  /** True if this call created the stream. */
  readonly isNew: boolean;
  /** Changes of the stream that this call applied, or that NATS refused. */
  readonly notices: readonly StreamChange[];
  /** How the stream differs from the wanted configuration, and what that means: one sentence per difference, with the cure. */
  readonly warnings: readonly string[];
};

/**
 * Creates the stream if it is missing. An existing stream is changed only if `wanted.change` allows it, because other programs
 * may use the stream.
 *
 * @param delivered Subjects that the worker delivers (SUBJECT), which the stream must carry.
 * @throws {UserError} if the stream cannot be created, or does not carry the subjects that the worker delivers.
 */
export async function ensureStream(
  client: NatsClient,
  wanted: StreamWanted,
  delivered: readonly string[] = wanted.subjects,
): Promise<StreamFound> {
  const what = `make the stream ${wanted.name}${wanted.change === undefined ? '' : ' as its row of rule_nats_streams says'}`;
  const { info, isNew } = await retryWhileUnavailable(client, what, () =>
    findOrMake(client, wanted, delivered),
  ).catch(async (error) => {
    throw apiErrorCode(error) === ApiErrorCode.subjectsOverlap
      ? await subjectsTaken(client, wanted, error)
      : userErrorFor(what, error);
  });
  // A mirror and a stream with sources carry the messages of other streams, not of their own subjects.
  const ownSubjects = info.config.mirror === undefined && (info.config.sources ?? []).length === 0;
  const { change = 'never' } = wanted;
  const follows = change === 'always' || (change === 'following' && isManagedByRow(info.config));
  const updated =
    follows && ownSubjects && !isNew
      ? await retryWhileUnavailable(client, what, () => updateStream(client, info, wanted))
      : { info, says: [] };
  const { config } = updated.info;
  // The subjects that a subject_transform makes are judged while the worker runs, like those of a mirror and of sources.
  if (ownSubjects && config.subject_transform === undefined)
    requireCovered(config.name, config.subjects, delivered);
  return {
    name: config.name,
    createdAt: Date.parse(info.created),
    retention: config.retention,
    subjects: config.subjects ?? [],
    isNew,
    notices: updated.says,
    warnings: streamWarnings(config, wanted),
  };
}

async function findOrMake(
  client: NatsClient,
  wanted: StreamWanted,
  delivered: readonly string[],
): Promise<{ info: StreamInfo; isNew: boolean }> {
  const { streams } = client.manager;
  try {
    return { info: await streams.info(wanted.name), isNew: false };
  } catch (error) {
    if (apiErrorCode(error) !== ApiErrorCode.streamNotFound) throw error;
  }
  requireCovered(wanted.name, wanted.subjects, delivered);
  try {
    return { info: await streams.add(asConfig(wanted)), isNew: true };
  } catch (error) {
    // Another worker created the stream first, with another configuration.
    if (apiErrorCode(error) !== ApiErrorCode.streamNameInUse) throw error;
    return { info: await streams.info(wanted.name), isNew: false };
  }
}

function asConfig(wanted: StreamWanted) {
  return {
    name: wanted.name,
    subjects: [...wanted.subjects],
    storage: wanted.storage as StorageType,
    retention: wanted.retention as RetentionPolicy,
    discard: wanted.discard as DiscardPolicy,
    max_msgs: noLimitAsMinusOne(wanted.maxMessages),
    max_bytes: noLimitAsMinusOne(wanted.maxBytes),
    max_age: nanos(Math.max(0, wanted.maxAgeSeconds) * 1000),
    num_replicas: wanted.replicas,
    duplicate_window: nanos(Math.max(0, wanted.duplicateWindowSeconds) * 1000),
    ...(wanted.description !== undefined && { description: wanted.description }),
    metadata: MANAGED_BY_ROW,
  };
}

function requireCovered(stream: string, subjects: readonly string[], delivered: readonly string[]): void {
  const missing = delivered.filter((subject) => !subjects.some((carried) => covers(carried, subject)));
  if (missing.length === 0) return;
  throw new UserError(
    `SUBJECT: the stream ${stream} carries ${subjects.join(', ')}, but not all of ${missing.join(', ')}. ` +
      `Set SUBJECT to subjects that the stream carries, set STREAM_NAME to another stream, or add the subjects: ` +
      `\`nats stream edit ${stream} --subjects ${[...subjects, ...missing].join(',')}\`.`,
  );
}

async function subjectsTaken(client: NatsClient, wanted: StreamWanted, cause: unknown): Promise<UserError> {
  const names = new Set<string>();
  for (const subject of wanted.subjects) {
    try {
      for await (const name of client.manager.streams.names(subject)) names.add(name);
    } catch {
      // The name is only for the sentence below, which can do without it.
    }
  }
  const other = names.size === 0 ? 'another stream' : `the stream ${[...names].join(', ')}`;
  return new UserError(
    `STREAM_NAME: the stream ${wanted.name} cannot be made, because ${other} carries ${wanted.subjects.join(', ')} already. ` +
      `Set STREAM_NAME=${[...names][0] ?? '<that stream>'} to deliver from there, or set SUBJECT to other subjects.`,
    { cause },
  );
}
