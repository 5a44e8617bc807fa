import { StorageType, type StreamConfig, type StreamInfo } from 'nats';
import { covers } from '../../core/subject.ts';
import { UserError } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, retryWhileUnavailable, userErrorFor } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';

/** A stream that is made as workers need it, whatever rows of `rule_nats_streams` say. */
export type InternalStream = {
  readonly name: string;
  /** The setting that names it: `DLQ_STREAM_NAME`. */
  readonly setting: string;
  /** Completes "make the stream X …": `for dead letters`. */
  readonly purpose: string;
  /** What it must carry. */
  readonly subjects: readonly string[];
  readonly replicas: number;
  /** What is its own beside; without limits, in files. */
  readonly config: Partial<StreamConfig>;
};

/**
 * Makes a stream of our own where it is missing; one that is there is never changed.
 *
 * @throws {UserError} where it cannot be made, or does not carry its subjects.
 */
export async function ensureInternalStream(
  client: NatsClient,
  wanted: InternalStream,
): Promise<{ readonly info: StreamInfo; readonly isNew: boolean }> {
  const { name, setting, subjects } = wanted;
  const what = `make the stream ${name} ${wanted.purpose}`;
  const found = await retryWhileUnavailable(client, what, () => findOrMake(client, wanted)).catch((error) => {
    throw userErrorFor(what, error);
  });
  const carried = found.info.config.subjects ?? [];
  const missing = subjects.filter((subject) => !carried.some((each) => covers(each, subject)));
  if (missing.length === 0) return found;
  throw new UserError(
    `${setting}: the stream ${name} does not carry ${missing.join(', ')}. Set ${setting} to another name, ` +
      `or add ${missing.length === 1 ? 'the subject' : 'the subjects'}: ` +
      `\`nats stream edit ${name} --subjects ${[...carried, ...missing].join(',')}\`.`,
  );
}

async function findOrMake(client: NatsClient, wanted: InternalStream) {
  const { streams } = client.manager;
  try {
    return { info: await streams.info(wanted.name), isNew: false };
  } catch (error) {
    if (apiErrorCode(error) !== ApiErrorCode.streamNotFound) throw error;
  }
  try {
    const info = await streams.add({
      name: wanted.name,
      subjects: [...wanted.subjects],
      storage: StorageType.File,
      num_replicas: wanted.replicas,
      allow_direct: true,
      ...wanted.config,
    });
    return { info, isNew: true };
  } catch (error) {
    if (apiErrorCode(error) !== ApiErrorCode.streamNameInUse) throw error;
    return { info: await streams.info(wanted.name), isNew: false };
  }
}
