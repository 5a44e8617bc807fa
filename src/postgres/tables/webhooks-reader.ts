import type pg from 'pg';
import { BUCKETS, type RowVersion } from '../../core/endpoint/row-versions.ts';
import { errorCode } from '../../runtime/failure.ts';
import { type VersionedRow, webhookOf } from './webhook-row.ts';

/**
 * What tells whether a row changed: its id and its `xmin`, the transaction that wrote it, as a hash of 40 bits. Up to 8,192 of them
 * can be added as numbers of JavaScript. An unchanged `xmin` means an unchanged row as long as one server numbers the transactions:
 * a transaction that commits late has a number of its own; VACUUM (FREEZE) keeps the number; it returns only after 2^32
 * transactions, more than a server makes between two comparisons. After a restart or a failover another server may have given the
 * same number to another transaction, and a new column with a default changes rows without a transaction number: `LAYOUT` shows
 * both.
 */
const hashOf = (id: string, xmin: string, seed: number) =>
  `(hashint8extended(${id}::bigint << 32 | ${xmin}::text::bigint, ${seed}) & ${2 ** 40 - 1})`;

const ROW_HASH = hashOf('webhook.webhook_id', 'webhook.xmin', 0);
const SECRET_HASH = hashOf('secret.secret_id', 'secret.xmin', 1);

/** Other secrets belong to other programs. */
const SIGNS = `(secret_name = 'signing_secret' OR starts_with(secret_name, 'signing_secret_')) AND secret_value <> ''`;

const LAYOUT = `
  SELECT array_agg(attname::text ORDER BY attnum) AS columns,
    concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), to_regclass('rule_webhooks')::oid,
      to_regclass('rule_webhook_secrets')::oid, string_agg(concat(attnum, attname, atttypid), ' ' ORDER BY attnum)) AS text
  FROM pg_attribute
  WHERE attrelid = to_regclass('rule_webhooks') AND attnum > 0 AND NOT attisdropped`;

const bucketOf = (id: string) => `(${id}::bigint & ${BUCKETS - 1})`;

const SUMS = `
  SELECT bucket::integer, sum(hash)::double precision
  FROM (
    SELECT ${bucketOf('webhook_id')} AS bucket, ${ROW_HASH} AS hash FROM rule_webhooks webhook
    UNION ALL
    SELECT ${bucketOf('webhook_id')}, ${SECRET_HASH} FROM rule_webhook_secrets secret
    WHERE webhook_id IS NOT NULL AND ${SIGNS}
  ) hashes
  GROUP BY bucket`;

const VERSIONS = `
  SELECT webhook_id, (${ROW_HASH} + coalesce(signing.hash, 0))::double precision
  FROM rule_webhooks webhook LEFT JOIN (
    SELECT webhook_id, sum(${SECRET_HASH}) AS hash FROM rule_webhook_secrets secret WHERE ${SIGNS} GROUP BY webhook_id
  ) signing USING (webhook_id)
  WHERE ${bucketOf('webhook_id')} = ANY ($1::bigint[])`;

/**
 * The columns that deliveries need. Numbers, flags and text as they are. A column may be missing: after an operator restored a dump
 * of the extension's tables, ours are, and count as NULL.
 */
const PLAIN = [
  'webhook_name',
  'url',
  'method',
  'headers',
  'timeout_ms',
  'retry_enabled',
  'max_retries',
  'retry_delay_ms',
  'retry_backoff_multiplier',
  'retry_schedule',
  'enabled',
  'nats_subject',
  'paused',
  'paused_reason',
  'max_concurrency',
  'rate_limit',
  'body_template',
  'hub_signature',
  'disabled_reason',
];
/** As JSON, whatever their type is. */
const AS_JSON = ['event_types', 'success_statuses', 'failing_since'];

/**
 * `params` as text, because a number in it may have more digits than a JavaScript number keeps. The newest secret is the first. $2 and
 * $3 are the lowest and the highest id: without them PostgreSQL reads all secrets each time.
 */
const rowsOf = (columns: readonly string[]) => `
  SELECT webhook.webhook_id, signing.secrets, (${ROW_HASH} + coalesce(signing.hash, 0))::double precision AS version
    ${columns.includes('params') ? ', to_jsonb(webhook.params)::text AS params' : ''}
    ${PLAIN.filter((name) => columns.includes(name))
      .map((name) => `, webhook.${name}`)
      .join('')}
    ${AS_JSON.filter((name) => columns.includes(name))
      .map((name) => `, to_json(webhook.${name}) AS ${name}`)
      .join('')}
  FROM unnest($1::bigint[]) wanted (id) JOIN rule_webhooks webhook ON webhook.webhook_id = wanted.id
  LEFT JOIN (
    SELECT secret.webhook_id, sum(${SECRET_HASH}) AS hash,
      array_agg(secret_value ORDER BY created_at DESC NULLS LAST, secret_id DESC) AS secrets
    FROM unnest($1::bigint[]) wanted (id) JOIN rule_webhook_secrets secret ON secret.webhook_id = wanted.id
    WHERE ${SIGNS} AND secret.webhook_id BETWEEN $2 AND $3
    GROUP BY secret.webhook_id
  ) signing ON signing.webhook_id = webhook.webhook_id
  ORDER BY webhook.webhook_id`;

const UNDEFINED_COLUMN = '42703';

/** A state of the rows, for comparisons. */
export type StoredState = {
  /** While it stays the same, an unchanged version means an unchanged row. */
  readonly layout: string;
  /** The sums of the versions of the rows in each of BUCKETS groups, without groups that have no rows. */
  readonly sums: ReadonlyMap<number, number>;
};

/** Reads rows of `rule_webhooks` with their signing secrets: what changed, and not all. Does not throw because of an invalid row. */
export class WebhooksReader {
  readonly #pool: pg.Pool;
  #columns: readonly string[] | null = null;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async state(): Promise<StoredState> {
    const layout = await this.#readLayout();
    const { rows } = await this.#pool.query({ text: SUMS, rowMode: 'array' });
    return { layout, sums: new Map(rows as [number, number][]) };
  }

  /** The versions of all rows in these groups. */
  async versions(buckets: Iterable<number>): Promise<ReadonlyMap<number, RowVersion>> {
    const { rows } = await this.#pool.query({ text: VERSIONS, values: [listOf(buckets)], rowMode: 'array' });
    // An id of type bigint comes as text.
    return new Map((rows as [number | string, number][]).map(([id, version]) => [Number(id), version]));
  }

  /** Rows by their ids, without those that do not exist. */
  async rows(ids: Iterable<number>): Promise<VersionedRow[]> {
    if (this.#columns === null) await this.#readLayout();
    const wanted = [...ids].sort((a, b) => a - b);
    const values = [listOf(wanted), wanted[0], wanted.at(-1)];
    const query = () => this.#pool.query(rowsOf(this.#columns!), values);
    const { rows } = await query().catch(async (error) => {
      // A column was dropped since the last comparison.
      if (errorCode(error) !== UNDEFINED_COLUMN) throw error;
      await this.#readLayout();
      return query();
    });
    return rows.map((row) => ({ row: webhookOf(row, row.secrets ?? NO_SECRETS), version: row.version }));
  }

  async #readLayout(): Promise<string> {
    const { rows } = await this.#pool.query(LAYOUT);
    this.#columns = rows[0].columns ?? [];
    return rows[0].text;
  }
}

const NO_SECRETS: readonly string[] = [];

function listOf(numbers: Iterable<number>): string {
  return `{${[...numbers].join(',')}}`;
}
