const [CR, LF, SPACE, ZERO, NINE] = [13, 10, 32, 48, 57];
const VERSION = Buffer.from('HTTP/1.');

/** `HTTP/1.1 200` and the byte behind it, which ends the status. */
const LENGTH = 13;

/** The longest part of the headers of a failure that is kept, in bytes: as much as is read of them. */
const LONGEST_HEAD = 65_536;

/** The name begins a line, and the line is complete. */
const RETRY_AFTER = /\nretry-after[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?\n/i;

/** The first bytes may become a status line, but its status is not complete yet. */
const INCOMPLETE = -1;
/** The bytes are not the start of an answer of HTTP/1. */
const NOT_HTTP = -2;

/** The status of the answer that begins at `at`. */
function statusAt(bytes: Uint8Array, at: number): number {
  const known = Math.min(LENGTH, bytes.length - at);
  for (let index = 0; index < known; index++) {
    if (!isExpected(bytes[at + index]!, index)) return NOT_HTTP;
  }
  if (known < LENGTH) return INCOMPLETE;
  return (bytes[at + 9]! - ZERO) * 100 + (bytes[at + 10]! - ZERO) * 10 + bytes[at + 11]! - ZERO;
}

function isExpected(byte: number, index: number): boolean {
  if (index < 7) return byte === VERSION[index];
  if (index === 7) return byte === ZERO || byte === ZERO + 1;
  if (index === 8) return byte === SPACE;
  if (index < 12) return byte >= ZERO && byte <= NINE;
  return byte === SPACE || byte === CR || byte === LF;
}

/**
 * Reads the start of the answers on one connection, in front of undici. Undici breaks the connection at a `100 Continue`, and
 * tells no status if the headers behind the status line are wrong or never end. So interim answers are removed here, and the
 * final status is noted as soon as it has come. All other bytes pass unchanged. In the usual case, a whole answer in one piece,
 * that costs the comparison of 13 bytes.
 */
export class StatusLineReader {
  /** The final status of the answer to the current request; 0: it has not come. */
  status = 0;
  /** True once a byte has come after the current request. */
  isAnswered = false;
  #stage: 'start' | 'interim' | 'passing' = 'passing';
  /** Bytes of a status line that is not complete. */
  #held: Buffer | null = null;
  /** Of the current line of an interim answer. An empty line ends that answer. */
  #lineLength = 0;
  /** The bytes of a failure, from its status line on, until its headers were read; null: nothing is kept. */
  #head: Buffer[] | null = null;
  #headLength = 0;

  /** A request is written now: the next bytes are the start of its answer. */
  expectAnswer(): void {
    this.status = 0;
    this.isAnswered = false;
    this.#stage = 'start';
    this.#held = null;
    this.#head = null;
  }

  /** Undici has read the headers: they are not needed here any more. */
  headersWereRead(): void {
    this.#head = null;
  }

  /** The value of the first Retry-After, if its line has come; undefined if not, or after `headersWereRead`. */
  retryAfter(): string | undefined {
    if (this.#head === null) return undefined;
    const head = Buffer.concat(this.#head).toString('latin1');
    const end = /\n\r?\n/.exec(head);
    return RETRY_AFTER.exec(end === null ? head : head.slice(0, end.index + 1))?.[1];
  }

  /** @returns what undici gets of the bytes that came; null: nothing yet. */
  pass(chunk: Buffer): Buffer | null {
    if (this.#stage === 'passing') {
      if (this.#head !== null) this.#keepHead(chunk);
      return chunk;
    }
    this.isAnswered = true;
    const bytes = this.#held === null ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = null;
    let at = 0;
    while (at < bytes.length) {
      at = this.#stage === 'interim' ? this.#skipInterim(bytes, at) : skipLineEnds(bytes, at);
      if (this.#stage === 'interim' || at === bytes.length) return null;
      const status = statusAt(bytes, at);
      if (status === INCOMPLETE) {
        this.#held = bytes.subarray(at);
        return null;
      }
      // 101 has no final answer behind it. Undici says what is wrong with a 101 that nobody asked for.
      if (status >= 100 && status < 200 && status !== 101) {
        this.#stage = 'interim';
        this.#lineLength = LENGTH - 1;
        at += LENGTH - 1;
        continue;
      }
      if (status >= 200) this.status = status;
      this.#stage = 'passing';
      const passed = at === 0 ? bytes : bytes.subarray(at);
      if (status >= 300) {
        this.#head = [];
        this.#headLength = 0;
        this.#keepHead(passed);
      }
      return passed;
    }
    return null;
  }

  #keepHead(chunk: Buffer): void {
    if (this.#headLength >= LONGEST_HEAD) return;
    this.#head?.push(chunk);
    this.#headLength += chunk.length;
  }

  /** @returns the place behind the interim answer, whose last line is empty */
  #skipInterim(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === LF) {
        if (this.#lineLength === 0) {
          this.#stage = 'start';
          return at + 1;
        }
        this.#lineLength = 0;
      } else if (byte !== CR) this.#lineLength++;
    }
    return bytes.length;
  }
}

/** Some servers send an empty line behind the answer before. Undici skips it as well. */
function skipLineEnds(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === CR || bytes[at] === LF) at++;
  return at;
}
