import type pg from 'pg';
import { SOURCE_FIELDS, type SourceRow, sourceRowOf } from '../../core/source/source-row.ts';

const VERSION = `
  SELECT (SELECT count(*)::text || ':' || coalesce(sum(hashtextextended(to_jsonb(source)::text, 0)), 0)::text
    FROM rule_nats_sources source) || ' ' ||
    (SELECT count(*)::text || ':' || coalesce(sum(hashtextextended(to_jsonb(secret)::text, 0)), 0)::text
    FROM rule_nats_source_secrets secret) AS version`;

/** A right on the secrets that is missing fails the read: without them, nothing would be verified. */
const READ = `
  SELECT source.source_name, to_jsonb(source) AS fields, coalesce(secrets.list, '{}') AS secrets
  FROM rule_nats_sources source LEFT JOIN (
    SELECT source_name, array_agg(secret_value ORDER BY created_at DESC, secret_id DESC) AS list
    FROM rule_nats_source_secrets GROUP BY source_name
  ) secrets ON secrets.source_name = source.source_name
  ORDER BY source.source_name`;

const INSERT = `
  INSERT INTO rule_nats_sources (source_name) VALUES ($1) ON CONFLICT DO NOTHING`;

const ADD_SECRET = `
  INSERT INTO rule_nats_source_secrets (source_name, secret_value) VALUES ($1, $2) ON CONFLICT DO NOTHING`;

const KEEP_NEWEST_SECRET = `
  DELETE FROM rule_nats_source_secrets WHERE source_name = $1 AND secret_id <> (
    SELECT secret_id FROM rule_nats_source_secrets WHERE source_name = $1 ORDER BY created_at DESC, secret_id DESC LIMIT 1)`;

type Client = pg.Pool | pg.PoolClient;

/** All sources with their secrets. @param known The version of the last read: nothing is read if it is still the same. */
export async function readSources(
  client: Client,
  known: string | null,
): Promise<{ version: string; rows?: readonly SourceRow[] }> {
  const [{ version }] = (await client.query(VERSION)).rows;
  if (version === known) return { version };
  const { rows } = await client.query(READ);
  return {
    version,
    rows: rows.map(({ source_name, fields, secrets }) => sourceRowOf(source_name, fields, secrets)),
  };
}

/** A change of a source by an operator. */
export type SourceChange = {
  /** By column of SOURCE_FIELDS; a column that is missing stays as it is. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Added beside the secrets that there are. */
  readonly newSecrets: readonly string[];
  /** Delete all secrets but the newest one, or all. */
  readonly dropSecrets: 'none' | 'older' | 'all';
};

/** Makes a source, or changes it. To be called in a transaction. @returns The source as it is then. */
export async function writeSource(
  client: pg.PoolClient,
  name: string,
  change: SourceChange,
): Promise<SourceRow> {
  await client.query(INSERT, [name]);
  for (const [column, value] of Object.entries(change.fields)) {
    if (!SOURCE_FIELDS.includes(column)) throw new TypeError(`rule_nats_sources has no column ${column}`);
    const stored = column === 'schema' && value !== null ? JSON.stringify(value) : value;
    await client.query(`UPDATE rule_nats_sources SET ${column} = $2 WHERE source_name = $1`, [name, stored]);
  }
  if (change.dropSecrets === 'all')
    await client.query('DELETE FROM rule_nats_source_secrets WHERE source_name = $1', [name]);
  for (const secret of change.newSecrets) await client.query(ADD_SECRET, [name, secret]);
  if (change.dropSecrets === 'older') await client.query(KEEP_NEWEST_SECRET, [name]);
  const { rows } = await readSources(client, null);
  return rows!.find((row) => row.name === name)!;
}

/** @returns False if there is no such source. */
export async function deleteSource(pool: pg.Pool, name: string): Promise<boolean> {
  return (await pool.query('DELETE FROM rule_nats_sources WHERE source_name = $1', [name])).rowCount === 1;
}
