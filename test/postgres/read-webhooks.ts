import type pg from 'pg';
import type { EndpointRow } from '../../src/core/endpoint/row.ts';
import { BUCKETS } from '../../src/core/endpoint/row-versions.ts';
import { WebhooksReader } from '../../src/postgres/tables/webhooks-reader.ts';

/** Reads all rows of `rule_webhooks`, as a worker does that knows none of them. */
export async function readWebhooks(pool: pg.Pool): Promise<EndpointRow[]> {
  const reader = new WebhooksReader(pool);
  const versions = await reader.versions(Array.from({ length: BUCKETS }, (_, bucket) => bucket));
  return (await reader.rows(versions.keys())).map(({ row }) => row);
}
