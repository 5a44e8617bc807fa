import type { Settings } from '../config/settings.ts';
import { ApiErrorCode, apiErrorCode } from '../nats/connection/api-error.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { ensureStream } from '../nats/streams/stream.ts';
import { readStreamFacts, type StreamFacts } from '../nats/streams/stream-facts.ts';
import type { StreamRow } from '../postgres/tables/streams-table.ts';
import { every } from '../runtime/every.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { STREAM_RECREATED } from '../worker/topology/ensure-streams.ts';
import { OrderedTopology } from '../worker/topology/ordered-topology.ts';
import { requireDistinct, wantedStream } from '../worker/topology/stream-row.ts';

/** How often the configuration of the streams is read, in milliseconds. It is also read after each reconnect. */
const READ_EVERY_MS = 10_000;
/** How often it is read at most while webhooks find no stream, in milliseconds. */
const READ_AT_MOST_EVERY_MS = 1000;

/** What stays free for headers, in bytes: those of a webhook are seldom longer, and NATS counts them as a part of the message. */
const FOR_HEADERS = 4096;

const IN_MEMORY =
  'The stream is kept in memory: a 202 of the API does not survive a restart of nats-server. Make a stream with file storage, and see docs/guarantees.md.';
const NO_STREAM = 'The API takes no webhooks until the stream exists. It tries again every 10 seconds.';

/** Makes the streams of webhooks and of ordered webhooks if they are missing, also later, and follows the limits of the first. */
export class StreamWatch implements Service {
  readonly name = 'stream watch';
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #row: StreamRow | null;
  readonly #log: Logger;
  readonly #ordered: OrderedTopology;
  #isOrdered = false;
  #subjects: readonly string[] = [];
  #facts: StreamFacts = { maxMessageBytes: null, duplicateWindowMs: 120_000, isInMemory: false };
  #saidInMemory = false;
  #saidProblem: string | null = null;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #stop = () => {};

  constructor(client: NatsClient, settings: Settings, row: StreamRow | null, log: Logger) {
    this.#client = client;
    this.#settings = settings;
    this.#row = row;
    this.#log = log;
    const subjects = () => this.#subjects;
    const topology = {
      ackWaitMs: settings.ACK_WAIT_MS,
      replicas: wantedStream(settings, row).replicas,
      get subjects() {
        return subjects();
      },
    };
    this.#ordered = new OrderedTopology(client, settings, topology, log);
  }

  /** The largest body that NATS and the stream take, with some headers, in bytes. */
  get maxBodyBytes(): number {
    const { maxMessageBytes } = this.#facts;
    const maxPayload = this.#client.connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    const limit = Math.min(maxPayload, maxMessageBytes ?? Number.POSITIVE_INFINITY);
    return Math.max(1, Math.min(this.#settings.MAX_BODY_BYTES, limit - Math.min(FOR_HEADERS, limit / 2)));
  }

  get duplicateWindowMs(): number {
    return this.#facts.duplicateWindowMs;
  }

  /** True: a 202 does not survive a restart of nats-server. */
  get isInMemory(): boolean {
    return this.#facts.isInMemory;
  }

  /** @throws {UserError} if the stream cannot be made, or does not carry SUBJECT. */
  async start(): Promise<void> {
    requireDistinct(this.#settings.SUBJECT);
    await this.#ensure(true);
    this.#isOrdered = await this.#ordered.start();
    await this.#read();
    const stopTimer = every(READ_EVERY_MS, () => this.#read(), { unref: true });
    const stopListening = this.#client.listen({ onReconnect: () => void this.#read() });
    this.#stop = () => {
      stopTimer();
      stopListening();
    };
  }

  stop(): void {
    this.#stop();
  }

  /** To be called when a webhook found no stream: somebody may have deleted it. */
  onMissing(): void {
    if (performance.now() - this.#readAt >= READ_AT_MOST_EVERY_MS) void this.#read();
  }

  #read(): Promise<void> {
    this.#readAt = performance.now();
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    if (!this.#client.isConnected()) return;
    await this.#readFacts();
    if (this.#isOrdered) await this.#ordered.isCurrent();
  }

  async #readFacts(): Promise<void> {
    try {
      this.#facts = await readStreamFacts(this.#client, this.#settings.STREAM_NAME);
    } catch (error) {
      if (apiErrorCode(error) === ApiErrorCode.streamNotFound) return this.#repair();
      // The last known limits hold. A message that is too large is refused by NATS itself.
      this.#log.debug({ error: errorMessage(error) }, 'stream.read_failed');
      return;
    }
    this.#saidProblem = null;
    if (this.#facts.isInMemory && !this.#saidInMemory) {
      this.#log.warn({ stream: this.#settings.STREAM_NAME, hint: IN_MEMORY }, 'stream.in_memory');
    }
    this.#saidInMemory = this.#facts.isInMemory;
  }

  /** A failure is logged once. */
  async #repair(): Promise<void> {
    try {
      await this.#ensure(false);
      this.#facts = await readStreamFacts(this.#client, this.#settings.STREAM_NAME);
    } catch (error) {
      const problem = errorMessage(error);
      if (problem !== this.#saidProblem) {
        const about = { stream: this.#settings.STREAM_NAME, error: problem, hint: NO_STREAM };
        this.#log.error(about, 'stream.repair_failed');
      }
      this.#saidProblem = problem;
    }
  }

  async #ensure(isFirst: boolean): Promise<void> {
    const { SUBJECT } = this.#settings;
    const stream = await ensureStream(this.#client, wantedStream(this.#settings, this.#row), SUBJECT);
    this.#subjects = stream.subjects;
    if (!stream.isNew) return;
    const about = { kind: 'webhooks', stream: stream.name, subjects: stream.subjects };
    if (isFirst) this.#log.info(about, 'stream.created');
    else this.#log.warn({ ...about, hint: STREAM_RECREATED }, 'stream.recreated');
  }
}
