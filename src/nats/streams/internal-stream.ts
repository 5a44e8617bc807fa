import { StorageType, type StreamConfig, type StreamInfo } from 'nats';
import { covers } from '../../core/subject.ts';
import { UserError } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, retryWhileUnavailable, userErrorFor } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import {
  INTERNAL_STREAMS,
  type InternalStreamDescription,
  type InternalStreamKind,
  type InternalStreamOptions,
} from './internal-stream-table.ts';

export type InternalStreamFound = {
  /** Made just now. */
  readonly isNew: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** True if the stream has a limit, so that it may have refused messages. */
  readonly canFill: boolean;
  /** How an existing stream differs: one sentence per difference, with the cure. */
  readonly warnings: readonly string[];
};

/**
 * Creates an internal stream if it is missing. An existing stream is never changed.
 *
 * @throws {UserError} if the stream cannot be created, or does not carry its subjects.
 */
export async function ensureInternalStream<K extends InternalStreamKind>(
  client: NatsClient,
  kind: K,
  wanted: InternalStreamOptions[K],
): Promise<InternalStreamFound> {
  const stream: InternalStreamDescription<InternalStreamOptions[K]> = INTERNAL_STREAMS[kind];
  const { name } = wanted;
  const what = `make the stream ${name} ${stream.purpose}`;
  const config: StreamToMake = {
    name,
    subjects: stream.subjects(wanted),
    storage: StorageType.File,
    num_replicas: wanted.replicas,
    allow_direct: true,
    ...stream.config(wanted),
  };
  const { info, isNew } = await retryWhileUnavailable(client, what, () => findOrMake(client, config)).catch(
    (error) => {
      throw userErrorFor(what, error);
    },
  );
  requireCarried(info.config, config.subjects, stream.setting);
  requireWorkQueue(info.config, stream);
  return {
    isNew,
    createdAt: Date.parse(info.created),
    canFill: stream.canFill(info.config),
    warnings: internalStreamWarnings(kind, info.config, wanted),
  };
}

/** How an existing stream differs from what workers need: one sentence per difference, with the cure. */
export function internalStreamWarnings<K extends InternalStreamKind>(
  kind: K,
  config: StreamConfig,
  wanted: InternalStreamOptions[K],
): string[] {
  const { warnings }: InternalStreamDescription<InternalStreamOptions[K]> = INTERNAL_STREAMS[kind];
  const edit = (flags: string) => `\`nats stream edit ${config.name} ${flags}\``;
  return warnings
    .map((warning) => warning({ config, wanted, edit }))
    .filter((sentence) => sentence !== false)
    .map((sentence) => `The stream ${config.name} ${sentence}.`);
}

function requireCarried(
  { name, subjects: carried = [] }: StreamConfig,
  subjects: readonly string[],
  setting: string,
): void {
  const missing = subjects.filter((subject) => !carried.some((each) => covers(each, subject)));
  if (missing.length === 0) return;
  throw new UserError(
    `${setting}: the stream ${name} does not carry ${missing.join(', ')}. Set ${setting} to another name, ` +
      `or add ${missing.length === 1 ? 'the subject' : 'the subjects'}: ` +
      `\`nats stream edit ${name} --subjects ${[...carried, ...missing].join(',')}\`.`,
  );
}

function requireWorkQueue(
  { name, retention }: StreamConfig,
  { setting, whyNoWorkQueue }: Pick<InternalStreamDescription<never>, 'setting' | 'whyNoWorkQueue'>,
): void {
  if (whyNoWorkQueue === null || retention === 'workqueue') return;
  throw new UserError(
    `${setting}: the stream ${name} has retention ${retention}, ${whyNoWorkQueue(retention)}. Set ${setting} to another name, ` +
      `or, if nobody needs the messages in the stream any more, remove the stream with \`nats stream rm ${name}\`; the worker ` +
      `then creates a work queue.`,
  );
}

type StreamToMake = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

async function findOrMake(
  client: NatsClient,
  config: StreamToMake,
): Promise<{ readonly info: StreamInfo; readonly isNew: boolean }> {
  const { streams } = client.manager;
  try {
    return { info: await streams.info(config.name), isNew: false };
  } catch (error) {
    if (apiErrorCode(error) !== ApiErrorCode.streamNotFound) throw error;
  }
  try {
    return { info: await streams.add(config), isNew: true };
  } catch (error) {
    if (apiErrorCode(error) !== ApiErrorCode.streamNameInUse) throw error;
    return { info: await streams.info(config.name), isNew: false };
  }
}
