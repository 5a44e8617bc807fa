import type { Settings } from '../../config/settings.ts';
import type { GroupProgress } from '../../core/records/statistics.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { consumerInfo } from '../../nats/consumers/consumer-info.ts';
import {
  ensureGroupConsumer,
  MAX_ACK_PENDING,
  type PullLimits,
} from '../../nats/consumers/group-consumer.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { readStreamRow, type StreamRow } from '../../postgres/tables/streams-table.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Database } from '../connections/database.ts';
import { AckFloorStore } from './ack-floor.ts';
import { answerInTime } from './answer-in-time.ts';
import { ensureStreams, logChanges } from './ensure-streams.ts';

/** Interval of the check for deleted streams and durables while the worker has a problem with NATS, in milliseconds. */
const REPAIR_EVERY_MS = 1000;
/** How often the row of `rule_nats_streams` is read, in milliseconds. */
const READ_ROW_EVERY_MS = 10_000;
const GONE =
  'The durable was gone, and the worker has made the durable again. Find out who deleted the durable.';
const REPAIRED = 'The worker tries every second to create the missing stream or durable.';

/**
 * Creates the streams of webhooks, dead letters and parked messages, and the durable of the group, if they are missing, also
 * while the worker runs. Keeps the ack floor of the group, so that a recreated durable starts after the messages that were
 * delivered.
 */
export class Topology {
  /** The warnings that the start has logged. */
  warned: readonly string[] = [];
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #database: Database;
  readonly #log: Logger;
  #streamCreatedAt = 0;
  #subjects: readonly string[] = [];
  #replicas = 1;
  #parkedCreatedAt = 0;
  #parkedCanFill = false;
  #consumerCreatedAt = 0;
  #ackWaitMs = 0;
  #maxAckPending = 0;
  #pullLimits: PullLimits = { batch: null, expiresMs: null };
  readonly #floor: AckFloorStore;
  #problem: string | null = null;
  /** The last logged changes. A refused change is refused every time, and is logged once. */
  #loggedChange = '';
  #row: StreamRow | null;
  #repairing: Promise<boolean> | null = null;

  constructor(client: NatsClient, settings: Settings, database: Database, log: Logger) {
    this.#client = client;
    this.#settings = settings;
    this.#database = database;
    this.#row = database.streamRow;
    this.#log = log;
    this.#floor = new AckFloorStore(client, settings, database);
  }

  /** Why a missing stream or durable cannot be created now, with the cure; null: nothing is missing. */
  problem(): string | null {
    return this.#problem;
  }

  /** The subjects of the stream. */
  get subjects(): readonly string[] {
    return this.#subjects;
  }

  /** How many servers must keep a copy of a stream. */
  get replicas(): number {
    return this.#replicas;
  }

  /** When the stream was created, in milliseconds since 1970. Changes when the stream is created again. */
  get streamCreatedAt(): number {
    return this.#streamCreatedAt;
  }

  /** When the stream of parked messages was created, in milliseconds since 1970. */
  get parkedCreatedAt(): number {
    return this.#parkedCreatedAt;
  }

  /** True if the stream of parked messages has a limit, and may have refused messages. */
  get parkedCanFill(): boolean {
    return this.#parkedCanFill;
  }

  /** `max_ack_pending` of the durable: at so many unsettled messages, the server delivers nothing more. */
  get maxAckPending(): number {
    return this.#maxAckPending;
  }

  /** Ack wait of the durable, in milliseconds. May differ from ACK_WAIT_MS. */
  get ackWaitMs(): number {
    return this.#ackWaitMs;
  }

  /** Limits of the durable for pulls. */
  get pullLimits(): PullLimits {
    return this.#pullLimits;
  }

  /**
   * True if the stream and the durable are the ones that this worker knows, or could be repaired. A recreated stream restarts its
   * sequences. With the old `streamCreatedAt`, delivery ids and dead letters of different messages would collide.
   */
  async isCurrent(): Promise<boolean> {
    const info = await answerInTime(this.#consumerInfo());
    if (info === null) return false;
    return info.createdAt === this.#consumerCreatedAt || (await this.#repair());
  }

  /** True if the stream of parked messages is the one that this worker knows, or could be repaired. */
  async isParkedCurrent(): Promise<boolean> {
    const info = await answerInTime(this.#client.manager.streams.info(this.#settings.PARKED_STREAM_NAME));
    return (info !== null && Date.parse(info.created) === this.#parkedCreatedAt) || (await this.#repair());
  }

  /** True if the stream of the message was created again after NATS delivered the message. */
  isGone({ position }: ReceivedMessage): boolean {
    const { PARKED_STREAM_NAME } = this.#settings;
    return (
      position.streamCreatedAt !==
      (position.stream === PARKED_STREAM_NAME ? this.#parkedCreatedAt : this.#streamCreatedAt)
    );
  }

  /**
   * True if more than half of `max_ack_pending` messages are unsettled, so that the server may soon deliver nothing more. Null
   * if NATS cannot tell now.
   */
  async isNearAckPendingLimit(): Promise<boolean | null> {
    const info = await this.#consumerInfo().catch(() => null);
    return info === null ? null : info.ackPending > this.#maxAckPending / 2;
  }

  /**
   * Creates missing streams and the durable, and logs wrong configuration.
   *
   * @throws {UserError} If the user can cure the problem.
   */
  async ensure(): Promise<void> {
    const { STREAM_NAME, SUBJECT, QUEUE_GROUP, ACK_WAIT_MS, START_FROM } = this.#settings;
    const isFirst = this.#streamCreatedAt === 0;
    const streams = await ensureStreams(this.#client, this.#settings, this.#row, this.#log, isFirst);
    const { stream } = streams;
    const durable = await ensureGroupConsumer(this.#client, {
      stream: STREAM_NAME,
      durable: QUEUE_GROUP,
      subjects: SUBJECT,
      ackWaitMs: ACK_WAIT_MS,
      maxAckPending: MAX_ACK_PENDING,
      startFrom: START_FROM,
      lastAckFloor: (only) => this.#floor.latest(stream.createdAt, only),
    });
    const change = JSON.stringify(stream.notices);
    if (change !== this.#loggedChange) logChanges(this.#log, STREAM_NAME, stream.notices);
    this.#loggedChange = change;
    this.#streamCreatedAt = stream.createdAt;
    this.#subjects = stream.subjects;
    this.#replicas = streams.replicas;
    this.#parkedCreatedAt = streams.parkedCreated;
    this.#parkedCanFill = streams.parkedCanFill;
    this.#consumerCreatedAt = durable.createdAt;
    this.#ackWaitMs = durable.ackWaitMs;
    this.#maxAckPending = durable.maxAckPending;
    this.#pullLimits = durable.pullLimits;
    const about = { durable: QUEUE_GROUP, stream: STREAM_NAME };
    const { notice } = durable;
    if (!isFirst && durable.isNew)
      this.#log.warn({ ...about, hint: notice === null ? GONE : `${GONE} ${notice}` }, 'consumer.recreated');
    else if (notice !== null) this.#log.warn({ ...about, hint: notice }, 'consumer.created');
    if (!isFirst) return;
    for (const warning of streams.warnings) this.#log.warn(warning, 'stream.misconfigured');
    for (const hint of durable.warnings) this.#log.warn({ ...about, hint }, 'consumer.misconfigured');
    this.warned = [...streams.warnings.map(({ hint }) => hint), ...durable.warnings];
  }

  /** Resolves to the progress of the group; to null if NATS cannot tell now. */
  async progress(): Promise<GroupProgress | null> {
    const streamCreatedAt = this.#streamCreatedAt;
    const info = await this.#consumerInfo().catch(() => null);
    if (info === null) return null;
    if (info.createdAt !== this.#consumerCreatedAt) {
      // A refused pull starts this check, too. But while all slots are busy, there are no pulls. The result is not needed here.
      void this.isCurrent();
      return null;
    }
    const progress = { pending: info.pending + info.ackPending, streamCreatedAt, ackFloor: info.ackFloor };
    this.#floor.observe(progress);
    return progress;
  }

  #consumerInfo() {
    return consumerInfo(this.#client, this.#settings.STREAM_NAME, this.#settings.QUEUE_GROUP);
  }

  /**
   * Creates deleted streams and durables again, while `hasProblem` is true.
   *
   * @param onRepaired Called when nothing is missing any more.
   * @returns A function that stops the checks.
   */
  startRepair(hasProblem: () => boolean, onRepaired: () => void): () => void {
    return every(REPAIR_EVERY_MS, async () => {
      if (!hasProblem()) this.#problem = null;
      else if (this.#repairing === null && this.#client.isConnected() && (await this.#repair())) onRepaired();
    });
  }

  /** Resolves to true if nothing is missing any more. A failure is logged once. */
  #repair(): Promise<boolean> {
    const { STREAM_NAME } = this.#settings;
    this.#repairing ??= this.ensure()
      .then(
        () => null,
        (error) => errorMessage(error),
      )
      .then((problem) => {
        if (problem !== null && problem !== this.#problem)
          this.#log.error({ stream: STREAM_NAME, error: problem, hint: REPAIRED }, 'stream.repair_failed');
        this.#problem = problem;
        this.#repairing = null;
        return problem === null;
      });
    return this.#repairing;
  }

  /** Applies changes of the row of `rule_nats_streams`. @returns A function that stops the reads. */
  watchRow(): () => void {
    return every(READ_ROW_EVERY_MS, async () => {
      if (!this.#client.isConnected()) return;
      const { pool } = this.#database;
      const row = await readStreamRow(pool, this.#settings.STREAM_NAME).catch(() => this.#row);
      if (JSON.stringify(row) === JSON.stringify(this.#row)) return;
      // A repair in progress started with the old row.
      await this.#repairing;
      const before = this.#row;
      this.#row = row;
      if (!(await this.#repair())) this.#row = before;
    });
  }
}
