import { type Dispatcher, errors, Pool } from 'undici';

type Kept = { readonly pool: Pool; usedAt: number; connections: number };

/** How many are closed at once when there are too many: to find them, all are looked at. */
const CLOSED_SHARE = 1 / 8;

/**
 * The connections to all endpoints: a pool for each origin, as undici's Agent has them, but no more than so many
 * connections. Each takes about 50 KB and a file descriptor, and endpoints that are seen once would leave one each, for up to
 * a minute.
 */
export class OriginPools {
  readonly #options: Pool.Options;
  readonly #most: number;
  readonly #kept = new Map<string, Kept>();
  #connections = 0;
  #uses = 0;
  #isDestroyed = false;

  /** @param most Connections beyond which those of the origins that were not used for longest are closed, where they are idle. */
  constructor(options: Pool.Options, most: number) {
    this.#options = options;
    this.#most = most;
  }

  /** Open now, those in use included, those that are being closed not. */
  get connections(): number {
    return this.#connections;
  }

  /** Origins that it holds something for. */
  get size(): number {
    return this.#kept.size;
  }

  /** @throws after `destroy`: with the code UND_ERR_DESTROYED */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#isDestroyed) throw new errors.ClientDestroyedError();
    const origin = String(options.origin);
    const kept = this.#kept.get(origin) ?? this.#open(origin);
    kept.usedAt = ++this.#uses;
    return kept.pool.dispatch(options, handler);
  }

  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    await Promise.all([...this.#kept.values()].map(({ pool }) => pool.destroy()));
  }

  #open(origin: string): Kept {
    if (this.#kept.size >= this.#most) this.#closeOldest();
    const kept = { pool: new Pool(origin, this.#options), usedAt: 0, connections: 0 };
    this.#kept.set(origin, kept);
    const closeIfUnused = () => {
      if (kept.pool.stats.connected === 0 && isIdle(kept)) this.#close(origin, kept);
    };
    kept.pool.on('connect', () => {
      kept.connections++;
      if (++this.#connections > this.#most) this.#closeOldest();
    });
    kept.pool.on('disconnect', () => {
      this.#gone(kept, Math.min(1, kept.connections));
      closeIfUnused();
    });
    kept.pool.on('connectionError', closeIfUnused);
    return kept;
  }

  #closeOldest(): void {
    const idle = [...this.#kept].filter(([, kept]) => isIdle(kept));
    idle.sort(([, one], [, other]) => one.usedAt - other.usedAt);
    for (const [origin, kept] of idle.slice(0, Math.ceil(CLOSED_SHARE * this.#most)))
      this.#close(origin, kept);
  }

  /** Out of the way first: a delivery that comes now opens another one. */
  #close(origin: string, kept: Kept): void {
    if (this.#kept.get(origin) === kept) this.#kept.delete(origin);
    this.#gone(kept, kept.connections);
    if (!kept.pool.closed && !kept.pool.destroyed) void kept.pool.close();
  }

  #gone(kept: Kept, connections: number): void {
    kept.connections -= connections;
    this.#connections -= connections;
  }
}

function isIdle({ pool }: Kept): boolean {
  return pool.stats.size === 0;
}
