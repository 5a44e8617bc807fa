import { createHash } from 'node:crypto';

/** Bytes of a fingerprint: enough that two bodies never have the same one by chance. */
const FINGERPRINT_LENGTH = 22;

type Remembered = { readonly fingerprint: string; readonly until: number };

/**
 * Which body came under an idempotency key, for the keys used last in this process. The stream itself does not compare bodies: it
 * would confirm another body as a duplicate, and the caller would believe that it is stored.
 */
export class KeyMemory {
  readonly #capacity: number;
  readonly #keepMs: () => number;
  readonly #now: () => number;
  /** The oldest first. */
  readonly #known = new Map<string, Remembered>();

  /** @param keepMs How long the stream knows an id, in milliseconds: its duplicate window. */
  constructor(capacity: number, keepMs: () => number, now: () => number) {
    this.#capacity = capacity;
    this.#keepMs = keepMs;
    this.#now = now;
  }

  /** @returns `new`: the body is remembered now. `other`: another body came under this id. */
  claim(id: string, body: Uint8Array): 'new' | 'same' | 'other' {
    const fingerprint = createHash('sha256').update(body).digest('base64url').slice(0, FINGERPRINT_LENGTH);
    const now = this.#now();
    const known = this.#known.get(id);
    if (known !== undefined && known.until > now) return known.fingerprint === fingerprint ? 'same' : 'other';
    this.#known.delete(id);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= this.#capacity && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(id, { fingerprint, until: now + this.#keepMs() });
    return 'new';
  }

  /** Nothing was stored under this id. */
  forget(id: string): void {
    this.#known.delete(id);
  }
}
