import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { createTables } from './rows.ts';
import { type Environment, openScene, type Scene, startEndpoint, stopWorker } from './scene.ts';

/** A database with the tables and functions of the extension, which came before ours. */
async function openQueue(): Promise<Scene> {
  const scene = await openScene();
  for (const name of ['extension-005-webhooks.sql', 'extension-007-nats.sql'])
    await scene.query(await readFile(new URL(`../postgres/fixtures/${name}`, import.meta.url), 'utf8'));
  await createTables(scene);
  return scene;
}

async function startRelay(scene: Scene, env: Environment = {}) {
  const relay = await runProgram(['relay'], { env: { ...scene.env, ...env } });
  await relay.waitForLine(/relay\.started/);
  return relay;
}

async function register(scene: Scene, name: string, url: string, more = ''): Promise<number> {
  const [row] = await scene.query<{ id: number }>(
    'SELECT rule_webhook_register($1, $2, p_max_retries => 1) AS id',
    [name, url],
  );
  await scene.query(`UPDATE rule_webhooks SET retry_delay_ms = 10 ${more} WHERE webhook_id = $1`, [row!.id]);
  return row!.id;
}

async function call(scene: Scene, webhookId: number, payload: unknown): Promise<number> {
  const [row] = await scene.query<{ id: number }>('SELECT rule_webhook_enqueue($1, $2) AS id', [
    webhookId,
    JSON.stringify(payload),
  ]);
  return row!.id;
}

const callOf = async (scene: Scene, id: number) =>
  (await scene.query('SELECT * FROM rule_webhook_calls WHERE call_id = $1', [id]))[0]!;
const ended = (scene: Scene, id: number, status: string) =>
  until(async () => {
    const row = await callOf(scene, id);
    return row.status === status && row;
  });

describe('the queue of the extension', () => {
  it('is delivered to the row of the call and to no other, and the result is in the call and in its history', async () => {
    const scene = await openQueue();
    const [good, bad, other] = [
      await startEndpoint(),
      await startEndpoint({ status: 500 }),
      await startEndpoint(),
    ];
    const ids = [
      await register(scene, 'a name with spaces', good.url),
      await register(scene, 'bad', bad.url),
    ];
    await register(scene, 'calls', other.url, ", nats_enabled = true, nats_subject = 'webhooks.>'");
    const worker = await scene.startWorker();
    const relay = await startRelay(scene);
    const payload = { webhook_url: 'http://127.0.0.1:1', n: 1.5 };
    const calls = [await call(scene, ids[0]!, payload), await call(scene, ids[1]!, payload)];
    expect(await ended(scene, calls[0]!, 'success')).toMatchObject({
      response_status: 200,
      error_message: null,
      retry_count: 0,
      completed_at: expect.any(Date),
      started_at: expect.any(Date),
    });
    expect(await ended(scene, calls[1]!, 'failed')).toMatchObject({
      response_status: 500,
      error_message: expect.stringMatching(/^exhausted: HTTP 500/),
      retry_count: 1,
    });
    expect(good.requests.map(({ body }) => JSON.parse(body.toString()))).toEqual([payload]);
    expect(other.requests).toEqual([]);
    const history = await scene.query(
      `SELECT call_id, attempt_number, response_status, error_message FROM rule_webhook_call_history ORDER BY 1, 2`,
    );
    expect(history).toEqual([
      { call_id: calls[0], attempt_number: 1, response_status: 200, error_message: null },
      { call_id: calls[1], attempt_number: 1, response_status: 500, error_message: 'HTTP 500' },
      {
        call_id: calls[1],
        attempt_number: 2,
        response_status: 500,
        error_message: expect.stringContaining('500'),
      },
    ]);
    expect(await scene.query('SELECT FROM rule_nats_call_messages')).toEqual([]);
    const published = await scene.query(
      `SELECT webhook_id FROM rule_nats_publish_history WHERE triggered_by = 'queue' AND success ORDER BY 1`,
    );
    expect(published.map(({ webhook_id }) => webhook_id)).toEqual(ids);
    await Promise.all([stopWorker(relay), stopWorker(worker)]);
  });

  it('sends a call again after rule_webhook_retry, within the duplicate window of the stream', async () => {
    const scene = await openQueue();
    const endpoint = await startEndpoint({ failFirst: 1 });
    const id = await register(scene, 'a', endpoint.url, ', max_retries = 3');
    await scene.startWorker();
    await startRelay(scene);
    await scene.query('UPDATE rule_webhooks SET retry_enabled = false');
    const callId = await call(scene, id, 1);
    await ended(scene, callId, 'failed');
    await scene.query('UPDATE rule_webhooks SET retry_enabled = true');
    await scene.query('SELECT rule_webhook_retry($1)', [callId]);
    await until(() => endpoint.requests.length >= 2);
    await ended(scene, callId, 'success');
  });

  it('leaves calls of mode both, of disabled webhooks and of a later time, and says how many of mode both wait', async () => {
    const scene = await openQueue();
    const endpoint = await startEndpoint();
    const names = ['queue', 'nats', 'both', 'off', 'later'];
    const ids = new Map<string, number>();
    for (const name of names) ids.set(name, await register(scene, name, endpoint.url));
    await scene.query(
      `UPDATE rule_webhooks SET publish_mode = webhook_name WHERE webhook_name IN ('queue', 'nats', 'both')`,
    );
    for (const name of names) await call(scene, ids.get(name)!, name);
    await scene.query(
      `UPDATE rule_webhook_calls SET scheduled_at = now() + interval '1 hour' WHERE webhook_id = $1`,
      [ids.get('later')],
    );
    await scene.query(`UPDATE rule_webhooks SET enabled = false WHERE webhook_name = 'off'`);
    await scene.startWorker();
    const relay = await startRelay(scene);
    expect(JSON.parse(await relay.waitForLine(/calls\.left/))).toMatchObject({ both: 1, nats: 1 });
    await until(() => endpoint.requests.length === 2);
    // A call may arrive before the relay has committed its status.
    const remains = (...expected: readonly string[]) =>
      until(async () => {
        const rows = await scene.query(
          `SELECT payload FROM rule_webhook_calls WHERE status = 'pending' ORDER BY call_id`,
        );
        expect(rows.map(({ payload }) => payload)).toEqual(expected);
        return true;
      });
    await remains('both', 'off', 'later');
    await scene.query(`UPDATE rule_webhooks SET enabled = true`);
    await until(() => endpoint.requests.length === 3);
    await stopWorker(relay);
    await startRelay(scene, { CALL_PUBLISH_MODES: 'both' });
    await until(() => endpoint.requests.length === 4);
    await remains('later');
  });

  it('shares the calls with an external worker: each call is taken once', async () => {
    const scene = await openQueue();
    const endpoint = await startEndpoint();
    const id = await register(scene, 'a', endpoint.url);
    await scene.startWorker();
    await startRelay(scene);
    await startRelay(scene);
    await scene.query('SELECT rule_webhook_enqueue($1, to_jsonb(n)) FROM generate_series(1, 500) n', [id]);
    const taken: number[] = [];
    for (;;) {
      const rows = await scene.query<{ call_id: number }>(
        `UPDATE rule_webhook_calls SET status = 'processing' WHERE call_id IN (
           SELECT call_id FROM rule_webhook_calls WHERE status = 'pending' LIMIT 5 FOR UPDATE SKIP LOCKED
         ) RETURNING call_id`,
      );
      taken.push(...rows.map(({ call_id }) => call_id));
      const [left] = await scene.query(`SELECT FROM rule_webhook_calls WHERE status = 'pending' LIMIT 1`);
      if (left === undefined) break;
    }
    await until(() => endpoint.received().webhookIds === 500 - taken.length);
    await until(
      async () =>
        (await scene.query(`SELECT FROM rule_webhook_calls WHERE status = 'success'`)).length ===
        500 - taken.length,
    );
    expect(endpoint.requests).toHaveLength(500 - taken.length);
  });
});
