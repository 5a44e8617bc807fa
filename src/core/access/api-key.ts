import { createHash, timingSafeEqual } from 'node:crypto';
import type { Scopes } from './scopes.ts';

/** Who sends a request. */
export type ApiKey = {
  /** Eight characters, not secret. */
  readonly id: string;
  /** What a person calls the key. */
  readonly name: string;
  readonly scopes: Scopes;
};

/** A key as it is kept: by its hash, so that nobody can read the key itself from it. */
export type StoredKey = ApiKey & {
  /** SHA-256 of the text of the key, 32 bytes. A key has 190 random bits, so that nobody can guess it, and a slow hash adds nothing. */
  readonly hash: Uint8Array;
  /** In milliseconds since 1970; null: never. */
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
};

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 8;
const SECRET_LENGTH = 32;

/** How many random bytes `composeApiKey` needs: so many more than the key has that every key is equally likely. */
export const RANDOM_BYTES = 48;

const KEY = /^whk_([0-9A-Za-z]{8})_[0-9A-Za-z]{32}$/;

/** The parts of a key that are kept. */
export type KeyParts = { readonly id: string; readonly hash: Uint8Array };

/** A new key, `whk_<id>_<secret>`. @param random RANDOM_BYTES random bytes. */
export function composeApiKey(random: Uint8Array): string {
  let rest = BigInt(`0x${Buffer.from(random).toString('hex')}`);
  let text = '';
  while (text.length < ID_LENGTH + SECRET_LENGTH) {
    text += ALPHABET[Number(rest % 62n)];
    rest /= 62n;
  }
  return `whk_${text.slice(0, ID_LENGTH)}_${text.slice(ID_LENGTH)}`;
}

/** The id of a key and its hash; null if the text has not the form of a key. */
export function partsOfApiKey(text: string): KeyParts | null {
  const id = KEY.exec(text)?.[1];
  return id === undefined ? null : { id, hash: createHash('sha256').update(text).digest() };
}

/** Compares two hashes in constant time. */
export function isSameHash(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Why a key that is known is not accepted at this time, for a person; null: it is accepted. @param now Milliseconds since 1970. */
export function whyNotValid({ expiresAt, revokedAt }: StoredKey, now: number): string | null {
  if (revokedAt !== null) return 'This API key was revoked. Ask the operator of the service for another key.';
  if (expiresAt !== null && expiresAt <= now) {
    return 'This API key has expired. Ask the operator of the service for another key.';
  }
  return null;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * What a request says as its key: `Authorization: Bearer <key>`, or `X-API-Key: <key>` for callers that cannot set the first;
 * undefined if it has neither. Never from the URL, which logs keep.
 *
 * @param headers By their names in lower case.
 */
export function tokenOf(headers: Headers): string | undefined {
  const { authorization } = headers;
  const written = typeof authorization === 'string' ? authorization : undefined;
  const key = headers['x-api-key'];
  return /^Bearer +(\S+) *$/i.exec(written ?? '')?.[1] ?? (typeof key === 'string' ? key : written);
}
