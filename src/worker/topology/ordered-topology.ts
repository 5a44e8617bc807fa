import type { Settings } from '../../config/settings.ts';
import { overlap } from '../../core/subject.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { ensureInternalStream } from '../../nats/streams/internal-stream.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { answerInTime } from './answer-in-time.ts';
import { STREAM_RECREATED } from './ensure-streams.ts';
import type { Topology } from './topology.ts';

/** How long the start waits for the stream, in milliseconds: other webhooks are delivered without it. */
const START_MS = 5000;

/** How often it is tried again to make it, where that was refused, in milliseconds. */
const RETRY_MS = 5000;

const NO_ORDER =
  'Until the stream is there, the worker delivers nothing in order. The worker delivers all other webhooks, and tries again by itself.';

/** The stream of ordered webhooks: made where it is missing, also while we run. Where it cannot be, all else goes on. */
export class OrderedTopology {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #topology: Topology;
  readonly #log: Logger;
  /** 0: it was never there. */
  #createdAt = 0;
  #problem: string | null = null;
  #retryAt = 0;
  #ensuring: Promise<boolean> | null = null;
  #checking: Promise<boolean> | null = null;

  constructor(client: NatsClient, settings: Settings, topology: Topology, log: Logger) {
    this.#client = client;
    this.#settings = settings;
    this.#topology = topology;
    this.#log = log;
  }

  /** When the stream was made, in milliseconds since 1970. */
  get createdAt(): number {
    return this.#createdAt;
  }

  /** Why there is no order, though it is wanted; null where there is. */
  problem(): string | null {
    return this.#problem;
  }

  /** Whether the stream that this was handed out from was made again meanwhile. */
  isGone({ position }: ReceivedMessage): boolean {
    return position.streamCreatedAt !== this.#createdAt;
  }

  /**
   * Makes the stream where it is missing, for a while; what is in the way is said, and tried again while we run.
   *
   * @returns Whether there is to be order. What stands against it in the settings is said, and deliveries go on without.
   */
  async start(): Promise<boolean> {
    const { ORDERED_SUBJECT, isSet } = this.#settings;
    if (ORDERED_SUBJECT.length === 0) return false;
    const obstacle = this.#obstacle();
    if (obstacle !== null) {
      this.#log.warn({ hint: `${obstacle}.` }, 'ordering.disabled');
      // Where it is the default, nobody asked for order.
      if (isSet('ORDERED_SUBJECT')) this.#problem = obstacle;
      return false;
    }
    await withTimeout(START_MS, this.#ensure());
    return true;
  }

  /** Whether the stream is there, as far as is known. */
  async isReady(): Promise<boolean> {
    if (this.#createdAt !== 0 && this.#problem === null) return true;
    return performance.now() >= this.#retryAt && (await this.#ensure());
  }

  /** Whether the stream is the one that we know, or could be made known. One look tells it for all who ask meanwhile. */
  isCurrent(): Promise<boolean> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  /** The server refuses a stream whose subjects another one carries. */
  #obstacle(): string | null {
    const { ORDERED_SUBJECT, SUBJECT, STREAM_NAME } = this.#settings;
    for (const carried of new Set([...SUBJECT, ...this.#topology.subjects])) {
      const ordered = ORDERED_SUBJECT.find((subject) => overlap(carried, subject));
      if (ordered === undefined) continue;
      return (
        `ORDERED_SUBJECT: the stream ${STREAM_NAME} carries ${carried}, which overlaps ${ordered}, so nothing is delivered in ` +
        'order: set ORDERED_SUBJECT to subjects that it does not carry, or have it carry less (SUBJECT, and its row of ' +
        'rule_nats_streams); ORDERED_SUBJECT=off silences this'
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
    const { ORDERED_STREAM_NAME, ORDERED_SUBJECT, STREAM_NAME } = this.#settings;
    const { ackWaitMs, replicas } = this.#topology;
    const found = await ensureInternalStream(this.#client, 'ordered', {
      name: ORDERED_STREAM_NAME,
      subjects: ORDERED_SUBJECT,
      sourceStream: STREAM_NAME,
      replicas,
      ackWaitMs,
    });
    const isFirst = this.#createdAt === 0;
    this.#createdAt = found.createdAt;
    const about = { kind: 'ordered', stream: ORDERED_STREAM_NAME, subjects: ORDERED_SUBJECT };
    if (found.isNew && isFirst) this.#log.info(about, 'stream.created');
    else if (found.isNew) this.#log.warn({ ...about, hint: STREAM_RECREATED }, 'stream.recreated');
    if (!isFirst) return;
    for (const hint of found.warnings)
      this.#log.warn({ stream: ORDERED_STREAM_NAME, hint }, 'stream.misconfigured');
  }
}
