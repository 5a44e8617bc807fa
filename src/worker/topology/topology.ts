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
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Database } from '../connections/database.ts';
import { AckFloorStore } from './ack-floor.ts';
import { answerInTime } from './answer-in-time.ts';
import { ensureStreams, sayChanges } from './ensure-streams.ts';

/** How often it is looked whether something was deleted under a worker that gets no answers, in milliseconds. */
const REPAIR_EVERY_MS = 1000;
/** How often the row of `rule_nats_streams` is read again, in milliseconds. */
const READ_ROW_EVERY_MS = 10_000;
const GONE =
  'The durable was gone, and the worker has made the durable again. Find out who deleted the durable.';
const REPAIRED = 'The worker tries every second to make what is missing.';

/**
 * The streams of webhooks, of dead letters and of parked messages, and the group's durable: made where they are missing, also while we run. Keeps
 * how far the group is, so that a durable that vanished starts again behind what was delivered.
 */
export class Topology {
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
  /** A change that is refused is refused every time. */
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

  /** Why what is missing cannot be made now, with the cure; null where nothing is. */
  problem(): string | null {
    return this.#problem;
  }

  /** What the stream carries. */
  get subjects(): readonly string[] {
    return this.#subjects;
  }

  /** How many servers are to keep a stream. */
  get replicas(): number {
    return this.#replicas;
  }

  /** When the stream was made, in milliseconds since 1970. Another one when it is made again. */
  get streamCreatedAt(): number {
    return this.#streamCreatedAt;
  }

  /** The same of the stream of parked messages. */
  get parkedCreatedAt(): number {
    return this.#parkedCreatedAt;
  }

  /** Whether the stream of parked messages has a limit, and may have refused some. */
  get parkedCanFill(): boolean {
    return this.#parkedCanFill;
  }

  /** How many hand-outs of the durable may be open: past it, it hands out nothing. */
  get maxAckPending(): number {
    return this.#maxAckPending;
  }

  /** The durable's, which may not be ACK_WAIT_MS. */
  get ackWaitMs(): number {
    return this.#ackWaitMs;
  }

  /** What the durable says of pulls. */
  get pullLimits(): PullLimits {
    return this.#pullLimits;
  }

  /**
   * Whether stream and durable are those that we know, or could be made known. One that was made again, by a peer or
   * anybody, starts its sequences again: with the old `streamCreatedAt`, ids and dead letters of other messages would be
   * taken for theirs.
   */
  async isCurrent(): Promise<boolean> {
    const info = await answerInTime(this.#consumerInfo());
    if (info === null) return false;
    return info.createdAt === this.#consumerCreatedAt || (await this.#repair());
  }

  /** The same of the stream of parked messages. */
  async isParkedCurrent(): Promise<boolean> {
    const info = await answerInTime(this.#client.manager.streams.info(this.#settings.PARKED_STREAM_NAME));
    return (info !== null && Date.parse(info.created) === this.#parkedCreatedAt) || (await this.#repair());
  }

  /** Whether the stream that this was handed out from was made again meanwhile. */
  isGone({ position }: ReceivedMessage): boolean {
    const { PARKED_STREAM_NAME } = this.#settings;
    return (
      position.streamCreatedAt !==
      (position.stream === PARKED_STREAM_NAME ? this.#parkedCreatedAt : this.#streamCreatedAt)
    );
  }

  /** Whether so many wait on the durable for a retry that it may soon hand out nothing else. Null where that cannot be known now. */
  async isNearAckPendingLimit(): Promise<boolean | null> {
    const info = await this.#consumerInfo().catch(() => null);
    return info === null ? null : info.ackPending > this.#maxAckPending / 2;
  }

  /**
   * Makes what is missing, and says what is odd.
   *
   * @throws {UserError} for what the user can cure.
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
    if (change !== this.#loggedChange) sayChanges(this.#log, STREAM_NAME, stream.notices);
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
  }

  /** How far the group is; null where that cannot be known now. */
  async progress(): Promise<GroupProgress | null> {
    const streamCreatedAt = this.#streamCreatedAt;
    const info = await this.#consumerInfo().catch(() => null);
    if (info === null) return null;
    if (info.createdAt !== this.#consumerCreatedAt) {
      // The pull asks when it is turned away; while all slots are busy there is none. Nobody waits for it here.
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
   * Makes again what was deleted, for as long as `isInTrouble` says that something is missing.
   *
   * @param mended Told when all is there.
   * @returns what ends it.
   */
  startRepair(inTrouble: () => boolean, mended: () => void): () => void {
    const timer = setInterval(async () => {
      if (!inTrouble()) this.#problem = null;
      else if (this.#repairing === null && this.#client.isConnected() && (await this.#repair())) mended();
    }, REPAIR_EVERY_MS);
    return () => clearInterval(timer);
  }

  /** Resolves to whether all is there. What is in the way is said once. */
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

  /** Follows the row of `rule_nats_streams` when somebody changes it. @returns what ends it. */
  watchRow(): () => void {
    const timer = setInterval(async () => {
      if (!this.#client.isConnected()) return;
      const { pool } = this.#database;
      const row = await readStreamRow(pool, this.#settings.STREAM_NAME).catch(() => this.#row);
      if (JSON.stringify(row) === JSON.stringify(this.#row)) return;
      // One that is under way began with the row before.
      await this.#repairing;
      const before = this.#row;
      this.#row = row;
      if (!(await this.#repair())) this.#row = before;
    }, READ_ROW_EVERY_MS);
    return () => clearInterval(timer);
  }
}
