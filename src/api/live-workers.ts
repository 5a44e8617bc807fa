import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import type { LiveInstance } from '../core/records/worker-instance.ts';
import { readEndpointLimits } from '../postgres/tables/endpoints-table.ts';
import { every } from '../runtime/every.ts';
import type { Service } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';

/** How often the rows of the workers are read, in milliseconds. A worker writes its row before its first pull. */
const READ_EVERY_MS = 1000;
/** How long a read counts, in milliseconds. Above: a worker of an older version may have started meanwhile. */
const KNOWN_FOR_MS = 10_000;
/** How long the start waits for the first read, in milliseconds. Above: the workers are not known at first. */
const FIRST_READ_MS = 2000;

/** The live workers of the group, as their rows say. */
export class LiveWorkers implements Service {
  readonly name = 'live workers';
  readonly #pool: pg.Pool;
  readonly #settings: Settings;
  #live: readonly LiveInstance[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #stop = () => {};

  constructor(pool: pg.Pool, settings: Settings) {
    this.#pool = pool;
    this.#settings = settings;
  }

  /** Null: not known. */
  get live(): readonly LiveInstance[] | null {
    return performance.now() - this.#readAt < KNOWN_FOR_MS ? this.#live : null;
  }

  async start(): Promise<void> {
    this.#stop = every(READ_EVERY_MS, () => this.#read(), { unref: true });
    await withTimeout(FIRST_READ_MS, this.#read());
  }

  stop(): void {
    this.#stop();
  }

  async #read(): Promise<void> {
    const group = { streamName: this.#settings.STREAM_NAME, queueGroup: this.#settings.QUEUE_GROUP };
    try {
      const { instances } = await readEndpointLimits(this.#pool, group);
      if (instances === null) return;
      this.#live = instances;
      this.#readAt = performance.now();
    } catch {
      // The registry of endpoints reports that PostgreSQL is away.
    }
  }
}
