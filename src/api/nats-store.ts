import type { Settings } from '../config/settings.ts';
import type { Waiting } from '../ingest/stats-route.ts';
import type { StoreOutcome, WebhookStore } from '../ingest/store.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { RequestPublisher } from '../nats/publishing/request-publisher.ts';
import type { StreamRow } from '../postgres/tables/streams-table.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { StreamWatch } from './stream-watch.ts';
import { readWaiting } from './waiting.ts';

/** How long a stop waits until the connection is closed, in milliseconds. Then it goes on. */
const CLOSE_MS = 5000;
/** The default of NATS, until the stream was read. */
const DUPLICATE_WINDOW_MS = 120_000;
const NOT_YET: StoreOutcome = { kind: 'notStored', why: 'away', detail: 'NATS has not been reached yet' };
const UNKNOWN: Waiting = { pending: null, parked: null, scheduled: null, ordered: null, deadLetters: null };

type Open = {
  readonly client: NatsClient;
  readonly publisher: RequestPublisher;
  readonly stream: StreamWatch;
};

/** Where the API stores webhooks. Until NATS is reached, it takes none, and says so. */
export class NatsStore implements WebhookStore, Service {
  readonly name = 'nats';
  readonly #settings: Settings;
  readonly #log: Logger;
  #open: Open | null = null;

  constructor(settings: Settings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Why no webhook can be stored now; null: one can. */
  get problem(): string | null {
    return this.#open === null ? 'not reached yet' : this.#open.publisher.problem;
  }

  /** True: only a restart of this process can reach NATS again. */
  get isClosed(): boolean {
    return this.#open?.client.connection.isClosed() ?? false;
  }

  /** True: a 202 does not survive a restart of nats-server. */
  get isInMemory(): boolean {
    return this.#open?.stream.isInMemory ?? false;
  }

  get maxBodyBytes(): number {
    return this.#open?.stream.maxBodyBytes ?? this.#settings.MAX_BODY_BYTES;
  }

  get duplicateWindowMs(): number {
    return this.#open?.stream.duplicateWindowMs ?? DUPLICATE_WINDOW_MS;
  }

  waiting(): Promise<Waiting> {
    return this.#open === null ? Promise.resolve(UNKNOWN) : readWaiting(this.#open.client, this.#settings);
  }

  async publish(
    subject: string,
    data: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<StoreOutcome> {
    if (this.#open === null) return NOT_YET;
    const { publisher, stream } = this.#open;
    const outcome = await publisher.publish(subject, data, headers);
    if (outcome.kind === 'notStored' && outcome.why === 'noStream') stream.onMissing();
    return outcome;
  }

  start(): void {}

  /** Makes the missing streams, and takes webhooks from then on. @throws {UserError} if a stream cannot be made. */
  async open(client: NatsClient, streamRow: StreamRow | null): Promise<void> {
    const settings = this.#settings;
    const stream = new StreamWatch(client, settings, streamRow, this.#log);
    await stream.start();
    const publisher = new RequestPublisher(client, {
      confirmWithinMs: settings.CONFIRM_TIMEOUT_MS,
      maxInFlight: settings.MAX_IN_FLIGHT,
      maxInFlightBytes: settings.MAX_IN_FLIGHT_BYTES,
    });
    this.#open = { client, publisher, stream };
  }

  async stop(): Promise<void> {
    if (this.#open === null) return;
    const { client, publisher, stream } = this.#open;
    stream.stop();
    await publisher.flush(this.#settings.CONFIRM_TIMEOUT_MS);
    publisher.stop();
    await withTimeout(CLOSE_MS, client.close());
  }
}
