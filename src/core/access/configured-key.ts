import { partsOfApiKey, type StoredKey } from './api-key.ts';
import { parseScopes } from './scopes.ts';

/** What a key of API_KEYS may do that names no scopes. */
const DEFAULT_SCOPES = ['publish'];

const HASHED = /^([0-9A-Za-z]{8}):([0-9a-f]{64})$/i;

/**
 * An item of API_KEYS: a key, or its id and SHA-256 (`<id>:<64 hex digits>`), then optionally `=` and its scopes with `+` between
 * them.
 *
 * @returns A sentence that says what is wrong. It holds no part of the key.
 */
export function parseConfiguredKey(text: string): StoredKey | string {
  const at = text.indexOf('=');
  const key = at < 0 ? text : text.slice(0, at);
  const [, id, hex] = HASHED.exec(key) ?? [];
  const parts = id === undefined ? partsOfApiKey(key) : { id, hash: Buffer.from(hex!, 'hex') };
  if (parts === null) {
    return 'each item must be a key as `keys create` prints it, or <id>:<its SHA-256 in hex>, then perhaps =<scope>+<scope>';
  }
  const scopes = parseScopes(at < 0 ? DEFAULT_SCOPES : text.slice(at + 1).split('+'));
  if (typeof scopes === 'string') return scopes;
  return { ...parts, name: `API_KEYS ${parts.id}`, scopes, expiresAt: null, revokedAt: null };
}

/** The item of API_KEYS for a key, which holds the hash and not the key. */
export function configuredKeyText(
  { id, hash }: Pick<StoredKey, 'id' | 'hash'>,
  scopes: readonly string[],
): string {
  return `${id}:${Buffer.from(hash).toString('hex')}=${scopes.join('+')}`;
}
