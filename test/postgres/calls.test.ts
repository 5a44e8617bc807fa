import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CallResult, callMessageId } from '../../src/core/records/call-result.ts';
import { createCallResultsStore, createCallsStore } from '../../src/postgres/calls-store.ts';
import { inTransaction } from '../../src/postgres/connection/transaction.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { sweepCalls } from '../../src/postgres/tables/calls-table.ts';
import { readInstallationId } from '../../src/postgres/tables/outbox-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, flushOf } from './records.ts';

let database: TestDatabase;
let installationId: string;
beforeEach(async () => {
  database = await openDatabase();
  for (const name of ['extension-005-webhooks.sql', 'extension-007-nats.sql'])
    await database.pool.query(await readFile(new URL(`fixtures/${name}`, import.meta.url), 'utf8'));
  await migrate(database.pool, database);
  installationId = await readInstallationId(database.pool);
  await query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('a', 'https://a.test')`);
});
afterEach(() => database.close());

const query = async (sql: string) => (await database.pool.query(sql)).rows;
const store = () => createCallsStore({ pool: database.pool, history: 'all' });

/** Enqueues a call, and publishes it. */
async function published(): Promise<number> {
  const [{ id }] = await query(`SELECT rule_webhook_enqueue(1, '{"a": 1}') AS id`);
  await store().settleCalls(['queue'], 10, async (calls) => calls.map(({ callId }) => answerOf(callId)));
  return id;
}

const answerOf = (callId: number) => ({
  callId,
  messageId: callMessageId({ installationId, callId, retryCount: 0 }),
  subject: 'webhooks.calls',
  sequence: 1,
  latencyMs: 1,
  error: null,
});

const resultOf = (fields: Partial<CallResult>): CallResult => ({
  installationId,
  callId: 1,
  retryCount: 0,
  attempt: { number: 1, startedAt: Date.UTC(2026, 0, 1), durationMs: 12.5 },
  status: 200,
  responseExcerpt: null,
  error: null,
  end: 'success',
  attempts: 1,
  ...fields,
});
const write = (...results: CallResult[]) => createCallResultsStore(database.pool).storeResults(results);
const statusOf = async () =>
  (await query('SELECT status FROM rule_webhook_calls ORDER BY call_id')).map((row) => row.status);

describe('the result of a call', () => {
  it('is written once', async () => {
    await published();
    expect(await statusOf()).toEqual(['processing']);
    await write(resultOf({}));
    await write(resultOf({ status: 500, end: 'failed' }));
    expect(await query('SELECT status, response_status, execution_time_ms FROM rule_webhook_calls')).toEqual([
      { status: 'success', response_status: 200, execution_time_ms: '12.500' },
    ]);
    expect(await query('SELECT attempt_number FROM rule_webhook_call_history')).toHaveLength(1);
    expect(await query('SELECT FROM rule_nats_call_messages')).toEqual([]);
  });

  it('is not written into a call of another database, nor of another retry', async () => {
    await published();
    await write(resultOf({ installationId: '00000000-0000-0000-0000-000000000000' }));
    await write(resultOf({ retryCount: 1 }));
    expect(await statusOf()).toEqual(['processing']);
    expect(await query('SELECT FROM rule_webhook_call_history')).toEqual([]);
  });

  it('waits for the relay that has published the call and has not committed yet', async () => {
    await query(`SELECT rule_webhook_enqueue(1, '1')`);
    let writing = Promise.resolve();
    await store().settleCalls(['queue'], 10, async (calls) => {
      writing = write(resultOf({}));
      await query('SELECT pg_sleep(0.2)');
      return calls.map(({ callId }) => answerOf(callId));
    });
    await writing;
    expect(await statusOf()).toEqual(['success']);
  });

  it('is written for many calls by two workers at once, without a deadlock', async () => {
    await query(`SELECT rule_webhook_enqueue(1, to_jsonb(n)) FROM generate_series(1, 200) n`);
    await store().settleCalls(['queue'], 200, async (calls) => calls.map(({ callId }) => answerOf(callId)));
    const all = Array.from({ length: 200 }, (_, index) => resultOf({ callId: index + 1 }));
    await Promise.all([write(...all), write(...all.toReversed())]);
    expect(new Set(await statusOf())).toEqual(new Set(['success']));
  });
});

describe('the sweep', () => {
  const sweep = () => inTransaction(database.pool, (client) => sweepCalls(client, 0, 100));

  it('writes the result that a worker left among its attempts', async () => {
    const callId = await published();
    expect(await sweep()).toBe(0);
    const deliveryId = callMessageId({ installationId, callId, retryCount: 0 });
    const attempts = [attemptOf({ deliveryId, attemptNumber: 2, status: 204, verdict: 'ack' })];
    await storeFlush(database.pool, flushOf({ attempts }));
    expect(await sweep()).toBe(1);
    expect(await query('SELECT status, response_status, retry_count FROM rule_webhook_calls')).toEqual([
      { status: 'success', response_status: 204, retry_count: 1 },
    ]);
    expect(await query('SELECT FROM rule_nats_call_messages')).toEqual([]);
  });

  it('forgets calls that are deleted, or over', async () => {
    await published();
    await query('DELETE FROM rule_webhook_calls');
    expect(await sweep()).toBe(0);
    expect(await query('SELECT FROM rule_nats_call_messages')).toEqual([]);
  });
});

it('a webhook that is deleted while its call is published waits for the commit', async () => {
  await query(`SELECT rule_webhook_enqueue(1, '1')`);
  let deleting: Promise<unknown> = Promise.resolve();
  await store().settleCalls(['queue'], 10, async (calls) => {
    deleting = query('DELETE FROM rule_webhooks');
    await query('SELECT pg_sleep(0.2)');
    return calls.map(({ callId }) => answerOf(callId));
  });
  await deleting;
  expect(await query('SELECT FROM rule_webhook_calls')).toEqual([]);
});

describe('a batch of calls', () => {
  const batch = async () => {
    const claimed: number[] = [];
    await store().settleCalls(['queue'], 10, async (calls) => {
      claimed.push(...calls.map(({ callId }) => callId));
      return calls.map(({ callId }) => answerOf(callId));
    });
    return claimed;
  };

  it('reads so many bytes of payloads that the relay can hold them', async () => {
    await query(
      `SELECT rule_webhook_enqueue(1, jsonb_build_object('a', repeat('a', 6000000))) FROM generate_series(1, 4)`,
    );
    expect(await batch()).toEqual([1, 2, 3]);
    expect(await batch()).toEqual([4]);
  });

  it('takes a retry that waits longer before new calls, however many those are', async () => {
    await query(`SELECT rule_webhook_enqueue(1, '{}') FROM generate_series(1, 15)`);
    await query(
      `UPDATE rule_webhook_calls SET status = 'retrying', next_retry_at = now() - interval '1 hour' WHERE call_id = 15`,
    );
    expect((await batch())[0]).toBe(15);
  });
});
