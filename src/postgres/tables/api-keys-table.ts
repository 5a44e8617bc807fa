import type pg from 'pg';
import type { StoredKey } from '../../core/access/api-key.ts';
import { NO_SCOPES, parseScopes } from '../../core/access/scopes.ts';
import { nameText, storableTime } from './storable.ts';
import { epochMs, timeOrNull } from './time.ts';

/** Of all columns but `last_used_at`, which each use of a key changes. */
const VERSION = `
  SELECT count(*)::text || ':' || coalesce(sum(hashtextextended(
    (to_jsonb(key) - 'last_used_at')::text, 0)), 0)::text AS version
  FROM rule_nats_api_keys key`;

const COLUMNS = `key_id, key_name, key_hash, scopes, ${epochMs('expires_at')} AS expires_at,
  expires_at = '-infinity' AS is_long_past, ${epochMs('revoked_at')} AS revoked_at, revoked_at IS NOT NULL AS is_revoked`;

const READ = `SELECT ${COLUMNS} FROM rule_nats_api_keys`;

const LIST = `
  SELECT ${COLUMNS}, ${epochMs('last_used_at')} AS last_used_at, ${epochMs('created_at')} AS created_at, created_by
  FROM rule_nats_api_keys ORDER BY rule_nats_api_keys.created_at, key_id`;

const INSERT = `
  INSERT INTO rule_nats_api_keys (key_id, key_name, key_hash, scopes, expires_at)
  VALUES ($1, $2, $3, $4, to_timestamp($5::double precision / 1000))`;

const REVOKE = `
  UPDATE rule_nats_api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = $1`;

/** In the order of the ids, so that two processes never wait for each other. */
const NOTE_USED = `
  UPDATE rule_nats_api_keys key SET last_used_at = greatest(last_used_at, to_timestamp(used.at / 1000))
  FROM (
    SELECT used.* FROM unnest($1::text[], $2::double precision[]) used (id, at)
    JOIN rule_nats_api_keys locked ON locked.key_id = used.id
    ORDER BY used.id FOR NO KEY UPDATE OF locked
  ) used
  WHERE key.key_id = used.id`;

/** A row for the list, with what a person wants to know of it. */
export type ListedKey = Omit<StoredKey, 'hash' | 'scopes'> & {
  readonly scopes: readonly string[];
  readonly createdAt: Date | null;
  readonly createdBy: string;
  readonly lastUsedAt: Date | null;
};

/** All keys, also those that were revoked. @param known The version of the last read: nothing is read if it is still the same. */
export async function readApiKeys(
  pool: pg.Pool,
  known: string | null,
): Promise<{ version: string; rows?: readonly StoredKey[] }> {
  const [{ version }] = (await pool.query(VERSION)).rows;
  if (version === known) return { version };
  // A change between the two reads is read now, and once more for the next version.
  const { rows } = await pool.query(READ);
  return { version, rows: rows.map((row) => ({ ...keyOf(row), hash: row.key_hash, scopes: scopesOf(row) })) };
}

export async function listApiKeys(pool: pg.Pool): Promise<ListedKey[]> {
  const { rows } = await pool.query(LIST);
  return rows.map((row) => ({
    ...keyOf(row),
    scopes: row.scopes,
    createdAt: timeOrNull(row.created_at),
    createdBy: row.created_by,
    lastUsedAt: timeOrNull(row.last_used_at),
  }));
}

/** @param expiresAt In milliseconds since 1970; null: never. */
export async function insertApiKey(
  pool: pg.Pool,
  key: Pick<StoredKey, 'id' | 'name' | 'hash' | 'expiresAt'> & { readonly scopes: readonly string[] },
): Promise<void> {
  const { id, name, hash, scopes, expiresAt } = key;
  await pool.query(INSERT, [id, nameText(name), Buffer.from(hash), scopes, expiresAt]);
}

/** Revokes a key. A key that was revoked before keeps its time. @returns False if there is no key of this id. */
export async function revokeApiKey(pool: pg.Pool, id: string): Promise<boolean> {
  return (await pool.query(REVOKE, [id])).rowCount === 1;
}

/** @param usedAt In milliseconds since 1970, by the ids of the keys. */
export async function noteKeysUsed(pool: pg.Pool, usedAt: ReadonlyMap<string, number>): Promise<void> {
  await pool.query(NOTE_USED, [[...usedAt.keys()], [...usedAt.values()].map(storableTime)]);
}

type Row = Readonly<Record<string, unknown>>;

function keyOf(row: Row) {
  const expiresAt = timeOrNull(row.expires_at as string | null)?.getTime() ?? null;
  const revokedAt = timeOrNull(row.revoked_at as string | null)?.getTime() ?? null;
  return {
    id: row.key_id as string,
    name: row.key_name as string,
    expiresAt: row.is_long_past === true ? 0 : expiresAt,
    revokedAt: row.is_revoked === true ? (revokedAt ?? 0) : null,
  };
}

/** A row that was written by hand may have scopes that do not exist: it allows nothing. */
function scopesOf(row: Row) {
  const scopes = parseScopes(row.scopes as string[]);
  return typeof scopes === 'string' ? NO_SCOPES : scopes;
}
