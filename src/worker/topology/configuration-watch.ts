import { maxAgeMs, retryPolicy } from '../../config/retry-policy.ts';
import type { Settings } from '../../config/settings.ts';
import { givesUpAfterMs } from '../../core/retry/retry-schedule.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { type Finding, type FoundIn, problemsFirst } from '../../nats/findings/finding.ts';
import { type QueuesWanted, readQueueFindings } from '../../nats/findings/queue-findings.ts';
import { type FindingsOf, type FindingsWanted, readFindings } from '../../nats/findings/read-findings.ts';
import { every } from '../../runtime/every.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';

/**
 * How often the configurations are read, in milliseconds. Below: more requests to the JetStream API, six for each worker. Above: a
 * change is noticed later.
 */
const CHECK_EVERY_MS = 5000;
/**
 * How often the durables of all queues, and the groups that have copies, are read, in milliseconds. Below: more of these requests,
 * which are large where many endpoints have parked queues. Above: a paused queue is noticed later.
 */
const CHECK_QUEUES_EVERY_MS = 30_000;
/** How long the start waits for the first check, in milliseconds. Above: the findings are logged later. */
const FIRST_CHECK_MS = 2000;

/** Which configurations are read, by the settings. */
export function findingsWanted(settings: Settings): FindingsWanted {
  const { STREAM_NAME, QUEUE_GROUP, SUBJECT, ACK_WAIT_MS, ORDERED_SUBJECT } = settings;
  const queue = { sourceStream: STREAM_NAME, replicas: 1, ackWaitMs: ACK_WAIT_MS };
  const ordered = {
    ...queue,
    name: settings.ORDERED_STREAM_NAME,
    subjects: ORDERED_SUBJECT,
    group: QUEUE_GROUP,
  };
  return {
    stream: STREAM_NAME,
    durable: QUEUE_GROUP,
    subjects: SUBJECT,
    ackWaitMs: ACK_WAIT_MS,
    retriesLastMs: givesUpAfterMs(retryPolicy(settings), maxAgeMs(settings)),
    internal: {
      deadLetters: { sourceStream: STREAM_NAME, replicas: 1, name: settings.DLQ_STREAM_NAME },
      parked: { ...queue, name: settings.PARKED_STREAM_NAME },
      ...(ORDERED_SUBJECT.length > 0 && { ordered }),
    },
  };
}

export function queuesWanted(settings: Settings): QueuesWanted {
  const { STREAM_NAME, QUEUE_GROUP, ORDERED_SUBJECT } = settings;
  return {
    owner: { sourceStream: STREAM_NAME, group: QUEUE_GROUP },
    parked: settings.PARKED_STREAM_NAME,
    ordered: ORDERED_SUBJECT.length > 0 ? settings.ORDERED_STREAM_NAME : null,
  };
}

type Known = FoundIn & { readonly findings: readonly Finding[] };

/**
 * Knows what the configurations of the streams and of the durable mean for deliveries, also after somebody changes them while the
 * worker runs. Logs each finding once, and once that it is over.
 */
export class ConfigurationWatch {
  readonly #client: NatsClient;
  readonly #wanted: FindingsWanted;
  readonly #queues: QueuesWanted;
  readonly #log: Logger;
  /** Sentences that the start has logged. */
  readonly #logged: Set<string>;
  /** By stream, durable and part. */
  readonly #known = new Map<string, Known>();

  constructor(client: NatsClient, settings: Settings, log: Logger, logged: Iterable<string>) {
    this.#client = client;
    this.#wanted = findingsWanted(settings);
    this.#queues = queuesWanted(settings);
    this.#log = log;
    this.#logged = new Set(logged);
  }

  /** The sentences of all findings: problems first. */
  get findings(): readonly Finding[] {
    return problemsFirst([...this.#known.values()].flatMap(({ findings }) => findings));
  }

  /** Why messages are not delivered as the configurations are now; null: no reason. */
  problem(): string | null {
    const problems = this.findings.filter(({ isProblem }) => isProblem);
    return problems.length === 0 ? null : problems.map(({ sentence }) => sentence).join(' ');
  }

  /** Waits a moment for the first check, so that its findings stand in the log before the worker delivers. */
  async start(): Promise<void> {
    await withTimeout(FIRST_CHECK_MS, Promise.all([this.#check(), this.#checkQueues()]));
  }

  /** @returns A function that stops the checks. */
  watch(): () => void {
    const stops = [
      every(CHECK_EVERY_MS, () => this.#check()),
      every(CHECK_QUEUES_EVERY_MS, () => this.#checkQueues()),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  async #check(): Promise<void> {
    if (this.#client.isConnected()) this.#take(await readFindings(this.#client, this.#wanted));
  }

  async #checkQueues(): Promise<void> {
    if (this.#client.isConnected()) this.#take(await readQueueFindings(this.#client, this.#queues));
  }

  #take(read: readonly FindingsOf[]): void {
    for (const { findings, ...where } of read) if (findings !== null) this.#update({ ...where, findings });
  }

  #update(now: Known): void {
    const key = JSON.stringify([now.stream, now.durable, now.part]);
    const before = this.#known.get(key)?.findings ?? [];
    this.#known.set(key, now);
    const isIn = (findings: readonly Finding[], { sentence }: Finding) =>
      findings.some((other) => other.sentence === sentence);
    for (const finding of now.findings) if (!isIn(before, finding)) this.#report(now, finding);
    for (const finding of before) if (!isIn(now.findings, finding)) this.#reportOver(now, finding);
  }

  #report({ stream, durable }: FoundIn, { sentence: hint }: Finding): void {
    if (this.#logged.has(hint)) return;
    if (durable === null) this.#log.warn({ stream, hint }, 'stream.misconfigured');
    else this.#log.warn({ durable, stream, hint }, 'consumer.misconfigured');
  }

  #reportOver({ stream, durable }: FoundIn, { sentence: was }: Finding): void {
    this.#logged.delete(was);
    if (durable === null) this.#log.info({ stream, was }, 'stream.corrected');
    else this.#log.info({ durable, stream, was }, 'consumer.corrected');
  }
}
