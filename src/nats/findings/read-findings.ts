import type { ConsumerInfo, StreamInfo } from 'nats';
import { ApiErrorCode, apiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { groupConsumerFindings } from '../consumers/consumer-findings.ts';
import { MAX_ACK_PENDING } from '../consumers/group-consumer.ts';
import { filtersOf } from '../consumers/start-position.ts';
import type { InternalStreamKind, InternalStreamOptions } from '../streams/internal-stream-table.ts';
import type { Finding, FoundIn } from './finding.ts';
import { originsOf, storedSubjects } from './stored-subjects.ts';
import { internalStreamFindings, shortAge, streamFindings } from './stream-findings.ts';

export type FindingsWanted = {
  readonly stream: string;
  readonly durable: string;
  /** SUBJECT; null: not known here, so the filters of the durable count. */
  readonly subjects: readonly string[] | null;
  /** ACK_WAIT_MS; null: not known here. */
  readonly ackWaitMs: number | null;
  /** How long the retries of messages that name their URL go on, in milliseconds; null: not known here. */
  readonly retriesLastMs: number | null;
  /** What the worker needs of its own streams; without the streams that it does not use. */
  readonly internal: Partial<InternalStreamOptions>;
};

export type FindingsOf = FoundIn & {
  /** Null: not known now. Empty for a stream or a durable that does not exist: a worker makes it. */
  readonly findings: readonly Finding[] | null;
};

/** Reads what the configurations of the streams and of the durable mean for deliveries. Never rejects. */
export async function readFindings(client: NatsClient, wanted: FindingsWanted): Promise<FindingsOf[]> {
  const { stream, durable } = wanted;
  const kinds = Object.keys(wanted.internal) as InternalStreamKind[];
  const [info, consumer, ...internal] = await Promise.all([
    streamInfo(client, stream),
    known(client.manager.consumers.info(stream, durable)),
    ...kinds.map((kind) => internalFindings(client, kind, wanted.internal[kind]!, wanted.retriesLastMs)),
  ]);
  const subjects = wanted.subjects ?? (isInfo(consumer) ? filtersOf(consumer) : []);
  const origins = isInfo(info) ? await subjectsOfOrigins(client, info) : new Map();
  return [
    {
      stream,
      durable: null,
      findings: isInfo(info)
        ? [
            ...streamFindings(
              info.config,
              subjects,
              storedSubjects(info.config, (name) => origins.get(name) ?? null),
            ),
            ...shortAge(info.config, wanted.retriesLastMs),
          ]
        : info,
    },
    {
      stream,
      durable,
      findings: isInfo(consumer)
        ? groupConsumerFindings(consumer, { ...wanted, maxAckPending: MAX_ACK_PENDING })
        : consumer,
    },
    ...internal,
  ];
}

async function internalFindings<K extends InternalStreamKind>(
  client: NatsClient,
  kind: K,
  wanted: InternalStreamOptions[K],
  retriesLastMs: number | null,
): Promise<FindingsOf> {
  const info = await streamInfo(client, wanted.name);
  // A dead letter has no retries any more.
  const lastMs = kind === 'deadLetters' ? null : retriesLastMs;
  const findings = isInfo(info)
    ? [...internalStreamFindings(kind, info.config, wanted), ...shortAge(info.config, lastMs)]
    : info;
  return { stream: wanted.name, durable: null, findings };
}

/** The subjects that each mirrored stream, or source, can store. A stream that our user may not look at is left out. */
async function subjectsOfOrigins(
  client: NatsClient,
  { config }: StreamInfo,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = originsOf(config)
    .filter(({ external, filter_subject }) => external === undefined && !filter_subject)
    .map(({ name }) => name);
  const found = new Map<string, readonly string[]>();
  await Promise.all(
    [...new Set(names)].map(async (name) => {
      const info = await streamInfo(client, name);
      // The origins of an origin are not looked up: they count as streams with any subject.
      if (isInfo(info))
        found.set(
          name,
          storedSubjects(info.config, () => null),
        );
    }),
  );
  return found;
}

const streamInfo = (client: NatsClient, name: string) => known(client.manager.streams.info(name));

/** Resolves to the answer; to an empty list if there is no such stream or durable; to null if the request failed. */
async function known<T extends StreamInfo | ConsumerInfo>(request: Promise<T>): Promise<T | [] | null> {
  try {
    return await request;
  } catch (error) {
    const code = apiErrorCode(error);
    return code === ApiErrorCode.streamNotFound || code === ApiErrorCode.consumerNotFound ? [] : null;
  }
}

function isInfo<T extends StreamInfo | ConsumerInfo>(answer: T | [] | null): answer is T {
  return answer !== null && !Array.isArray(answer);
}
