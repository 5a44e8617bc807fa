import type { ListedKey } from '../../postgres/tables/api-keys-table.ts';
import { textTable } from '../../runtime/text-table.ts';
import { ago } from '../stats/ago.ts';

const COLUMNS = ['id', 'name', 'scopes', 'state', 'expires', 'last used', 'created by'];

/** One line per key. */
export function keysTable(keys: readonly ListedKey[], now: Date): string {
  if (keys.length === 0) {
    return 'There is no API key yet. The command keys create makes one; API_KEYS works without PostgreSQL.\n';
  }
  return textTable(
    COLUMNS.map((name) => ({ name })),
    keys.map((key) => [
      key.id,
      key.name,
      key.scopes.join(' '),
      stateOf(key, now),
      isoOf(key.expiresAt),
      key.lastUsedAt === null ? 'never' : ago(now, key.lastUsedAt),
      key.createdBy,
    ]),
  );
}

/** All keys as one line of JSON, for programs. */
export function keysJson(keys: readonly ListedKey[]): string {
  const rows = keys.map(({ id, name, scopes, expiresAt, revokedAt, lastUsedAt, createdAt, createdBy }) => ({
    id,
    name,
    scopes,
    expires_at: isoOf(expiresAt),
    revoked_at: isoOf(revokedAt),
    last_used_at: lastUsedAt?.toISOString() ?? null,
    created_at: createdAt?.toISOString() ?? null,
    created_by: createdBy,
  }));
  return `${JSON.stringify(rows)}\n`;
}

function stateOf({ expiresAt, revokedAt }: ListedKey, now: Date): string {
  if (revokedAt !== null) return 'revoked';
  return expiresAt !== null && expiresAt <= now.getTime() ? 'expired' : 'valid';
}

function isoOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
