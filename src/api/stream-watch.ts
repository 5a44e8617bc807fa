import type { Settings } from '../config/settings.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { ensureStream } from '../nats/streams/stream.ts';
import { readStreamFacts, type StreamFacts } from '../nats/streams/stream-facts.ts';
import type { StreamRow } from '../postgres/tables/streams-table.ts';
import { every } from '../runtime/every.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { requireDistinct, wantedStream } from '../worker/topology/stream-row.ts';

/** How often the configuration of the stream is read, in milliseconds. It is also read after each reconnect. */
const READ_EVERY_MS = 10_000;

/** What stays free for headers, in bytes: those of a webhook are seldom longer, and NATS counts them as a part of the message. */
const FOR_HEADERS = 4096;

const IN_MEMORY =
  'The stream is kept in memory: a 202 of the API does not survive a restart of nats-server. Make a stream with file storage, and see docs/guarantees.md.';

/** Makes the stream of webhooks if it is missing, and follows its limits, and those of NATS. */
export class StreamWatch implements Service {
  readonly name = 'stream watch';
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #row: StreamRow | null;
  readonly #log: Logger;
  #facts: StreamFacts = { maxMessageBytes: null, duplicateWindowMs: 120_000, isInMemory: false };
  #saidInMemory = false;
  #stop = () => {};

  constructor(client: NatsClient, settings: Settings, row: StreamRow | null, log: Logger) {
    this.#client = client;
    this.#settings = settings;
    this.#row = row;
    this.#log = log;
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
    const { SUBJECT } = this.#settings;
    requireDistinct(SUBJECT);
    const stream = await ensureStream(this.#client, wantedStream(this.#settings, this.#row), SUBJECT);
    if (stream.isNew) {
      this.#log.info({ kind: 'webhooks', stream: stream.name, subjects: stream.subjects }, 'stream.created');
    }
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

  async #read(): Promise<void> {
    try {
      this.#facts = await readStreamFacts(this.#client, this.#settings.STREAM_NAME);
    } catch (error) {
      // The last known limits hold. A message that is too large is refused by NATS itself.
      this.#log.debug({ error: errorMessage(error) }, 'stream.read_failed');
      return;
    }
    if (this.#facts.isInMemory && !this.#saidInMemory) {
      this.#log.warn({ stream: this.#settings.STREAM_NAME, hint: IN_MEMORY }, 'stream.in_memory');
    }
    this.#saidInMemory = this.#facts.isInMemory;
  }
}
