import { setTimeout as wait } from 'node:timers/promises';
import type { Settings } from '../../config/settings.ts';
import type { GroupProgress } from '../../core/records/statistics.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { groupInfo } from '../../nats/consumers/consumer-info.ts';
import { ensureDurable, MAX_ACK_PENDING, type PullLimits } from '../../nats/consumers/group-consumer.ts';
import type { HandOut } from '../../nats/messages/received-message.ts';
import { readStreamRow, type StreamRow } from '../../postgres/tables/streams-table.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Database } from '../connections/database.ts';
import { GroupFloor } from './ack-floor.ts';
import { ensureStreams } from './ensure-streams.ts';

/** How often it is looked whether something was deleted under a worker that gets no answers, in milliseconds. */
const MEND_EVERY_MS = 1000;
/**
 * How long an answer about the durable is waited for before it is asked again, in milliseconds: a request to a leader that
 * is just lost is never answered, and the next leader would be asked only when the client gives up on it.
 */
const ANSWER_MS = 1000;
/** How often the row of `rule_nats_streams` is read again, in milliseconds. */
const FOLLOW_EVERY_MS = 10_000;

/**
 * The streams of webhooks, of dead letters and of parked messages, and the group's durable: made where they are missing, also while we run. Keeps
 * how far the group is, so that a durable that vanished starts again behind what was delivered.
 */
export class Topology {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #database: Database;
  readonly #log: Logger;
  #streamCreated = 0;
  #subjects: readonly string[] = [];
  #replicas = 1;
  #parkedCreated = 0;
  #parkedCanFill = false;
  #durableCreated = 0;
  #ackWaitMs = 0;
  #maxAckPending = 0;
  #pullLimits: PullLimits = { batch: null, expiresMs: null };
  readonly #floor: GroupFloor;
  #trouble: string | null = null;
  /** A change that is refused is refused every time. */
  #saidChange: string | undefined;
  #row: StreamRow | null;
  #mending: Promise<boolean> | null = null;

  constructor(client: NatsClient, settings: Settings, database: Database, log: Logger) {
    this.#client = client;
    this.#settings = settings;
    this.#database = database;
    this.#row = database.streamRow;
    this.#log = log;
    this.#floor = new GroupFloor(client, settings, database);
  }

  /** Why what is missing cannot be made now, with the cure; null where nothing is. */
  trouble(): string | null {
    return this.#trouble;
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
  get streamCreated(): number {
    return this.#streamCreated;
  }

  /** The same of the stream of parked messages. */
  get parkedCreated(): number {
    return this.#parkedCreated;
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
   * anybody, starts its sequences again: with the old `streamCreated`, ids and dead letters of other messages would be
   * taken for theirs.
   */
  async isKnown(): Promise<boolean> {
    const late = wait(ANSWER_MS, null, { ref: false });
    const info = await Promise.race([this.#groupInfo().catch(() => null), late]);
    if (info === null) return false;
    return info.created === this.#durableCreated || (await this.#mend());
  }

  /** The same of the stream of parked messages. */
  async isParkedKnown(): Promise<boolean> {
    const late = wait(ANSWER_MS, null, { ref: false });
    const asked = this.#client.manager.streams.info(this.#settings.PARKED_STREAM_NAME).catch(() => null);
    const info = await Promise.race([asked, late]);
    return (info !== null && Date.parse(info.created) === this.#parkedCreated) || (await this.#mend());
  }

  /** Whether the stream that this was handed out from was made again meanwhile. */
  isGone({ place }: HandOut): boolean {
    const { PARKED_STREAM_NAME } = this.#settings;
    return (
      place.created !== (place.stream === PARKED_STREAM_NAME ? this.#parkedCreated : this.#streamCreated)
    );
  }

  /** Whether so many wait on the durable for a retry that it may soon hand out nothing else. Null where that cannot be known now. */
  async isPressed(): Promise<boolean | null> {
    const info = await this.#groupInfo().catch(() => null);
    return info === null ? null : info.ackPending > this.#maxAckPending / 2;
  }

  /**
   * Makes what is missing, and says what is odd.
   *
   * @throws {UserError} for what the user can cure.
   */
  async ensure(): Promise<void> {
    const { STREAM_NAME, SUBJECT, QUEUE_GROUP, ACK_WAIT_MS, START_FROM } = this.#settings;
    const isFirst = this.#streamCreated === 0;
    const streams = await ensureStreams(this.#client, this.#settings, this.#row, this.#log, isFirst);
    const { stream } = streams;
    const durable = await ensureDurable(this.#client, {
      stream: STREAM_NAME,
      durable: QUEUE_GROUP,
      subjects: SUBJECT,
      ackWaitMs: ACK_WAIT_MS,
      maxAckPending: MAX_ACK_PENDING,
      startFrom: START_FROM,
      lastAckFloor: (only) => this.#floor.last(stream.created, only),
    });
    for (const change of stream.changes) if (change !== this.#saidChange) this.#log.warn(change);
    this.#saidChange = stream.changes.at(-1);
    this.#streamCreated = stream.created;
    this.#subjects = stream.subjects;
    this.#replicas = streams.replicas;
    this.#parkedCreated = streams.parkedCreated;
    this.#parkedCanFill = streams.parkedCanFill;
    this.#durableCreated = durable.created;
    this.#ackWaitMs = durable.ackWaitMs;
    this.#maxAckPending = durable.maxAckPending;
    this.#pullLimits = durable.pullLimits;
    if (durable.says !== null) this.#log.warn(durable.says);
    if (!isFirst && durable.isNew)
      this.#log.warn({ durable: QUEUE_GROUP }, 'made the durable again, which was gone');
    if (!isFirst) return;
    for (const warning of [...streams.warnings, ...durable.warnings]) this.#log.warn(warning);
  }

  /** How far the group is; null where that cannot be known now. */
  async progress(): Promise<GroupProgress | null> {
    const streamCreated = this.#streamCreated;
    const info = await this.#groupInfo().catch(() => null);
    if (info === null) return null;
    if (info.created !== this.#durableCreated) {
      // The pull asks when it is turned away; while all slots are busy there is none. Nobody waits for it here.
      void this.isKnown();
      return null;
    }
    const progress = { pending: info.pending + info.ackPending, streamCreated, ackFloor: info.ackFloor };
    this.#floor.see(progress);
    return progress;
  }

  #groupInfo() {
    return groupInfo(this.#client, this.#settings.STREAM_NAME, this.#settings.QUEUE_GROUP);
  }

  /**
   * Makes again what was deleted, for as long as `inTrouble` says that something is missing.
   *
   * @param mended Told when all is there.
   * @returns what ends it.
   */
  keepMended(inTrouble: () => boolean, mended: () => void): () => void {
    const timer = setInterval(async () => {
      if (!inTrouble()) this.#trouble = null;
      else if (this.#mending === null && this.#client.isConnected() && (await this.#mend())) mended();
    }, MEND_EVERY_MS);
    return () => clearInterval(timer);
  }

  /** Resolves to whether all is there. What is in the way is said once. */
  #mend(): Promise<boolean> {
    this.#mending ??= this.ensure()
      .then(
        () => null,
        (error) => errorMessage(error),
      )
      .then((trouble) => {
        if (trouble !== null && trouble !== this.#trouble) this.#log.error(trouble);
        this.#trouble = trouble;
        this.#mending = null;
        return trouble === null;
      });
    return this.#mending;
  }

  /** Follows the row of `rule_nats_streams` when somebody changes it. @returns what ends it. */
  followRow(): () => void {
    const timer = setInterval(async () => {
      if (!this.#client.isConnected()) return;
      const { pool } = this.#database;
      const row = await readStreamRow(pool, this.#settings.STREAM_NAME).catch(() => this.#row);
      if (JSON.stringify(row) === JSON.stringify(this.#row)) return;
      // One that is under way began with the row before.
      await this.#mending;
      const before = this.#row;
      this.#row = row;
      if (!(await this.#mend())) this.#row = before;
    }, FOLLOW_EVERY_MS);
    return () => clearInterval(timer);
  }
}
