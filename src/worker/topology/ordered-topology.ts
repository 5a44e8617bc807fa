import type { Settings } from '../../config/settings.ts';
import { overlap } from '../../core/subject.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { claimForGroup } from '../../nats/streams/claim-for-group.ts';
import { ensureInternalStream } from '../../nats/streams/internal-stream.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { answerInTime } from './answer-in-time.ts';
import { STREAM_RECREATED } from './ensure-streams.ts';
import type { Topology } from './topology.ts';

/** How long the start waits for the stream, in milliseconds. After it, the worker delivers other webhooks without the stream. */
const START_MS = 5000;

/** Delay before a failed creation of the stream is tried again, in milliseconds. */
const RETRY_MS = 5000;

const NO_ORDER =
  'Until the stream exists, no ordered webhooks are taken in or delivered. All other webhooks go on, and the program tries again by itself.';

/** What the stream of ordered webhooks takes from the one of all webhooks. */
export type OrderedParts = Pick<Topology, 'subjects' | 'ackWaitMs' | 'replicas'>;

/**
 * Creates the stream of ordered webhooks when it is missing, also while the worker runs. On failure, all other deliveries go
 * on.
 */
export class OrderedTopology {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #topology: OrderedParts;
  readonly #log: Logger;
  /** The warnings about the stream that the start has logged. */
  warned: readonly string[] = [];
  /** 0: the worker has not seen the stream yet. */
  #createdAt = 0;
  #problem: string | null = null;
  #retryAt = 0;
  #ensuring: Promise<boolean> | null = null;
  #checking: Promise<boolean> | null = null;

  constructor(client: NatsClient, settings: Settings, topology: OrderedParts, log: Logger) {
    this.#client = client;
    this.#settings = settings;
    this.#topology = topology;
    this.#log = log;
  }

  /** When the stream was created, in milliseconds since 1970. */
  get createdAt(): number {
    return this.#createdAt;
  }

  /** Why ordered webhooks are not delivered although ORDERED_SUBJECT is set; null: no problem. */
  problem(): string | null {
    return this.#problem;
  }

  /** True if the stream of the message was created again after NATS delivered the message. */
  isGone({ position }: ReceivedMessage): boolean {
    return position.streamCreatedAt !== this.#createdAt;
  }

  /**
   * Creates the stream if it is missing, within START_MS. A failure is logged, and tried again while the worker runs.
   *
   * @returns True if ordered webhooks are to be delivered. False if ORDERED_SUBJECT is off, or conflicts with other settings: the
   * conflict is logged, and the other deliveries go on.
   */
  async start(): Promise<boolean> {
    const { ORDERED_SUBJECT, isSet } = this.#settings;
    if (ORDERED_SUBJECT.length === 0) return false;
    const obstacle = this.#obstacle();
    if (obstacle !== null) {
      this.#log.warn({ hint: `${obstacle}.` }, 'ordering.disabled');
      // With the default of ORDERED_SUBJECT, the user did not ask for order, so the conflict is not a problem for /health.
      if (isSet('ORDERED_SUBJECT')) this.#problem = obstacle;
      return false;
    }
    await withTimeout(START_MS, this.#ensure());
    return true;
  }

  /** True if the stream exists, as far as the worker knows. */
  async isReady(): Promise<boolean> {
    if (this.#createdAt !== 0 && this.#problem === null) return true;
    return performance.now() >= this.#retryAt && (await this.#ensure());
  }

  /** True if the stream is the one that the worker knows, or could be repaired. Concurrent callers share one check. */
  isCurrent(): Promise<boolean> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  /** The conflict in the settings; null: none. The server refuses a stream whose subjects overlap those of another stream. */
  #obstacle(): string | null {
    const { ORDERED_SUBJECT, SUBJECT, STREAM_NAME } = this.#settings;
    for (const carried of new Set([...SUBJECT, ...this.#topology.subjects])) {
      const ordered = ORDERED_SUBJECT.find((subject) => overlap(carried, subject));
      if (ordered === undefined) continue;
      return (
        `ORDERED_SUBJECT: the stream ${STREAM_NAME} has the subject ${carried}, which overlaps ${ordered}, so no webhooks are ` +
        `delivered in order: set ORDERED_SUBJECT to subjects that ${STREAM_NAME} does not have, or remove subjects from ` +
        `${STREAM_NAME} (SUBJECT, and its row of rule_nats_streams); ORDERED_SUBJECT=off removes this warning`
      );
    }
    return null;
  }

  async #check(): Promise<boolean> {
    const info = await answerInTime(this.#client.manager.streams.info(this.#settings.ORDERED_STREAM_NAME));
    return (info !== null && Date.parse(info.created) === this.#createdAt) || (await this.#ensure());
  }

  #ensure(): Promise<boolean> {
    this.#ensuring ??= this.#make()
      .then(
        () => null,
        (error) => errorMessage(error),
      )
      .then((problem) => {
        const stream = this.#settings.ORDERED_STREAM_NAME;
        if (problem !== null && problem !== this.#problem)
          this.#log.error({ stream, error: problem, hint: NO_ORDER }, 'ordering.failed');
        if (problem === null && this.#problem !== null) this.#log.info({ stream }, 'ordering.recovered');
        this.#problem = problem;
        this.#retryAt = performance.now() + RETRY_MS;
        this.#ensuring = null;
        return problem === null;
      });
    return this.#ensuring;
  }

  async #make(): Promise<void> {
    const { ORDERED_STREAM_NAME, ORDERED_SUBJECT, QUEUE_GROUP, STREAM_NAME } = this.#settings;
    const { ackWaitMs, replicas } = this.#topology;
    const found = await ensureInternalStream(this.#client, 'ordered', {
      name: ORDERED_STREAM_NAME,
      subjects: ORDERED_SUBJECT,
      sourceStream: STREAM_NAME,
      replicas,
      ackWaitMs,
      group: QUEUE_GROUP,
    });
    await claimForGroup(this.#client, ORDERED_STREAM_NAME, QUEUE_GROUP);
    const isFirst = this.#createdAt === 0;
    this.#createdAt = found.createdAt;
    const about = { kind: 'ordered', stream: ORDERED_STREAM_NAME, subjects: ORDERED_SUBJECT };
    if (found.isNew && isFirst) this.#log.info(about, 'stream.created');
    else if (found.isNew) this.#log.warn({ ...about, hint: STREAM_RECREATED }, 'stream.recreated');
    if (!isFirst) return;
    this.warned = found.warnings;
    for (const hint of found.warnings)
      this.#log.warn({ stream: ORDERED_STREAM_NAME, hint }, 'stream.misconfigured');
  }
}
