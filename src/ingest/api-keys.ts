import {
  type ApiKey,
  isSameHash,
  partsOfApiKey,
  type StoredKey,
  whyNotValid,
} from '../core/access/api-key.ts';
import { LruMap } from '../core/lru-map.ts';
import type { Clock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { type FollowedTable, TableFollower } from './table-follower.ts';

/** The keys in PostgreSQL. */
export interface KeyStore extends FollowedTable<readonly StoredKey[]> {
  /** Stores when keys were last used, in milliseconds since 1970. */
  noteUsed(usedAt: ReadonlyMap<string, number>): Promise<void>;
}

export type ApiKeysOptions = {
  /** API_KEYS: valid also without PostgreSQL. They win over rows with the same id. */
  readonly configured: readonly StoredKey[];
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Logger;
};

/** `refused`: the status of the answer. 401: no valid key; 503: the keys were never read, so that nobody can tell. */
export type KeyVerdict =
  | { readonly key: ApiKey }
  | { readonly refused: 401 | 503; readonly sentence: string; readonly isKnown: boolean };

/** So many keys are cached by their text: without the cache, each request costs a hash. */
const MOST_CACHED = 4096;
const LONGEST_TOKEN = 64;

/** How often the times of last use are stored, in milliseconds. */
const STORE_USE_EVERY_MS = 10_000;

const SENTENCE = {
  none: 'The request has no API key. Send one in the header Authorization: Bearer whk_….',
  unknown: 'The service does not know this API key.',
  noneExists: 'No API key exists yet.',
  unread: 'The API keys cannot be read from PostgreSQL now.',
  make: 'Make a key with the command `keys create`, or set API_KEYS, which works without PostgreSQL.',
  later: 'Try again later.',
};

/** The API keys that are valid now. While PostgreSQL is away, the last known keys are. */
export class ApiKeys {
  readonly name = 'API keys';
  readonly #options: ApiKeysOptions;
  readonly #follower: TableFollower<readonly StoredKey[]>;
  readonly #configured: ReadonlyMap<string, StoredKey>;
  #known: ReadonlyMap<string, StoredKey>;
  #cache = new LruMap<StoredKey>(MOST_CACHED, LONGEST_TOKEN);
  #isRead = false;
  #usedAt = new Map<string, number>();
  #stopTimer = () => {};

  constructor(options: ApiKeysOptions) {
    const { configured, store, clock, log } = options;
    this.#options = options;
    this.#configured = new Map(configured.map((key) => [key.id, key]));
    this.#known = this.#configured;
    this.#follower = new TableFollower({
      table: store,
      what: 'rule_nats_api_keys',
      clock,
      log,
      onRead: (keys) => this.#onRead(keys),
    });
  }

  /** Why the keys cannot be read now; null: they can. */
  get problem(): string | null {
    return this.#follower.problem;
  }

  async start(): Promise<void> {
    this.#stopTimer = every(STORE_USE_EVERY_MS, () => this.#storeUse(), { clock: this.#options.clock });
    await this.#follower.start();
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    await this.#follower.stop();
    await this.#storeUse();
  }

  /**
   * Whose key a token is. Where it is not known, a caller may await `refreshed()` and ask again: the key may have been made a
   * moment ago.
   *
   * @param now Milliseconds since 1970.
   */
  verify(token: string | undefined, now: number): KeyVerdict {
    const key = token === undefined ? null : (this.#cache.get(token) ?? this.#find(token));
    if (key === null) return this.#unknown(token);
    const sentence = whyNotValid(key, now);
    if (sentence !== null) return { refused: 401, sentence, isKnown: true };
    if (!this.#configured.has(key.id)) this.#usedAt.set(key.id, now);
    return { key };
  }

  /** Reads the keys again, at most once in 250 ms for all callers. Resolves after it, also if it failed, and within a second. */
  refreshed(): Promise<void> {
    return this.#follower.refreshed();
  }

  #find(token: string): StoredKey | null {
    const parts = partsOfApiKey(token);
    const key = parts === null ? undefined : this.#known.get(parts.id);
    if (key === undefined || !isSameHash(key.hash, parts!.hash)) return null;
    this.#cache.set(token, key);
    return key;
  }

  #unknown(token: string | undefined): KeyVerdict {
    const isKnown = false;
    // The key may be in a table that was never read.
    if (token !== undefined && !this.#isRead && partsOfApiKey(token) !== null) {
      return { refused: 503, sentence: `${SENTENCE.unread} ${SENTENCE.later}`, isKnown };
    }
    const sentences = [token === undefined ? SENTENCE.none : SENTENCE.unknown];
    if (this.#known.size === 0) {
      sentences.push(this.#isRead ? SENTENCE.noneExists : SENTENCE.unread, SENTENCE.make);
    }
    return { refused: 401, sentence: sentences.join(' '), isKnown };
  }

  #onRead(keys: readonly StoredKey[]): void {
    this.#isRead = true;
    this.#known = new Map([...keys.map((key) => [key.id, key] as const), ...this.#configured]);
    this.#cache = new LruMap(MOST_CACHED, LONGEST_TOKEN);
  }

  /** Stores the times of last use. What cannot be stored now is stored later. */
  async #storeUse(): Promise<void> {
    if (this.#usedAt.size === 0) return;
    const usedAt = this.#usedAt;
    this.#usedAt = new Map();
    try {
      await this.#options.store.noteUsed(usedAt);
    } catch (error) {
      this.#usedAt = new Map([...usedAt, ...this.#usedAt]);
      this.#options.log.debug({ error: errorMessage(error) }, 'keys.use_not_stored');
    }
  }
}
