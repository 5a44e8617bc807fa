import { createHash } from 'node:crypto';

const LONGEST_KEY = 255;
/** A string of RFC 9651, as the header of the IETF draft is written. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
const BARE = /^[!-~]+$/;

export const KEY_RULE = 'Idempotency-Key must be 1 to 255 visible ASCII characters, with or without quotes.';

/** Whose ids they are. */
export type IdScope = {
  /** The name of the webhook. */
  readonly name: string;
  /** The id of the API key, or of the source, that may not take the ids of another one. Empty: nobody in particular. */
  readonly tenant: string;
};

/** Characters of the part of an id that belongs to its scope, and of the part that belongs to its key. */
const TAG = 6;
const HASH = 20;
const LONGEST_SHOWN = 40;

/** The text of an `Idempotency-Key` header, quoted or bare. Null if it is not valid. */
export function parseIdempotencyKey(header: string): string | null {
  const quoted = QUOTED.exec(header)?.[1]?.replace(/\\(.)/g, '$1');
  const key = quoted ?? header;
  const isValid = quoted === undefined ? BARE.test(key) : key !== '';
  return isValid && key.length <= LONGEST_KEY ? key : null;
}

/** What all ids of one scope begin with. Compute it once: it costs a hash. */
export function idPrefix({ name, tenant }: IdScope): string {
  const shown = name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, LONGEST_SHOWN);
  return `${shown}-${hashOf([name, tenant]).slice(0, TAG)}`;
}

/**
 * The id of the webhook that this key names. The same scope and key give the same id, and other ones another id. An id that was made
 * in this scope is its own key: so a webhook without a key can be repeated under its id.
 *
 * @returns Characters of `A-Z a-z 0-9 _ -`, at most 67. Receivers get it as `webhook-id`.
 */
export function idOfKey(prefix: string, scope: IdScope, key: string): string {
  const isOwnId = key.length === prefix.length + HASH && key.startsWith(prefix) && /^[\w-]+$/.test(key);
  return isOwnId ? key : prefix + hashOf([scope.name, scope.tenant, key]).slice(0, HASH);
}

/** A new id. @param random At least 120 random bits, such as a UUID without its fixed bits. */
export function newId(prefix: string, random: Uint8Array): string {
  return prefix + Buffer.from(random).toString('base64url').slice(0, HASH).padEnd(HASH, '0');
}

/** The `Nats-Msg-Id` of a webhook that came over HTTP. */
export function messageIdOf(id: string): string {
  return `api-${id}`;
}

/** Unambiguous, whatever the parts hold. */
function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
