import { type Dispatcher, errors, type Pool } from 'undici';

type Kept = { readonly pool: Pool; usedAt: number; connections: number };

/**
 * If there are too many connections, this share of the pools is closed at once, because finding idle pools checks all of them.
 */
const CLOSED_SHARE = 1 / 8;

/**
 * The connections to all endpoints: one pool per origin, like undici's Agent, but with a bound on the connections. Each
 * connection takes about 50 KB and a file descriptor. Without the bound, each endpoint that is used once would leave a
 * connection, for up to a minute.
 */
export class OriginPools {
  readonly #openPool: (origin: string) => Pool;
  readonly #most: number;
  readonly #kept = new Map<string, Kept>();
  #connections = 0;
  #uses = 0;
  #isDestroyed = false;

  /** @param most Above this number of connections, the idle connections of the least recently used origins are closed. */
  constructor(openPool: (origin: string) => Pool, most: number) {
    this.#openPool = openPool;
    this.#most = most;
  }

  /** Open connections, with those in use, without those that are being closed. */
  get connections(): number {
    return this.#connections;
  }

  /** The number of origins with a pool. */
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
    const kept = { pool: this.#openPool(origin), usedAt: 0, connections: 0 };
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

  /** Removes the pool from the map first, so that a delivery that comes now opens a new pool. */
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
