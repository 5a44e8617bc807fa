import { createHash } from 'node:crypto';

/** The longest ordering key, in bytes of UTF-8. */
export const LONGEST_ORDERING_KEY = 200;

/** A key that is a token of a subject as it stands. */
const PLAIN = /^[A-Za-z0-9_-]{1,64}$/;
/** How much of any other key its token shows, in characters. */
const SHOWN = 24;
/** 192 bits: no two keys with the same digits can be found. */
const HASH_CHARACTERS = 32;

/** Why the text cannot be an ordering key, for a person; null if it can. */
export function orderingKeyProblem(key: string): string | null {
  if (key === '') return 'an ordering key must not be empty: leave it out for no order';
  // Half of a surrogate pair has no UTF-8: two such keys would become one.
  if (!key.isWellFormed()) return 'an ordering key must be valid Unicode';
  return Buffer.byteLength(key) > LONGEST_ORDERING_KEY
    ? `an ordering key has at most ${LONGEST_ORDERING_KEY} bytes of UTF-8`
    : null;
}

/**
 * The token of a subject that stands for an ordering key: the key itself if it has only letters, digits, `_` and `-`, and at most 64
 * characters. Any other key becomes `<what can be shown of it>~<hash>`: at most 57 characters. No key that stands for itself has a
 * `~`, so different keys always have different tokens. Keys are compared byte by byte: `é` as one character and as two are two keys.
 */
export function orderingToken(key: string): string {
  if (PLAIN.test(key)) return key;
  const shown = key.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, SHOWN);
  const hash = createHash('sha256').update(key).digest('base64url').slice(0, HASH_CHARACTERS);
  return `${shown}~${hash}`;
}

/** An ordering key as the value of a NATS header: everything but visible ASCII, and `%`, is percent-encoded UTF-8. */
export function encodeOrderingKey(key: string): string {
  return key.replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent);
}

/** The ordering key of a NATS header. A text that is not percent-encoded stands for itself. */
export function decodeOrderingKey(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
