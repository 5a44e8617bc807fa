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
  /** Whether it has a limit, and may have refused messages. */
  readonly canFill: boolean;
  /** How one that is there differs: a sentence each, with the cure. */
  readonly warnings: readonly string[];
};

/**
 * Makes a stream of our own where it is missing; one that is there is never changed.
 *
 * @throws {UserError} where it cannot be made, is no work queue and must be one, or does not carry its subjects.
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

/** How a stream that is there differs from what workers need: a sentence each, with the cure. */
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
      `or, when nothing in it is needed any more, remove it, and a work queue is made: \`nats stream rm ${name}\`.`,
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
