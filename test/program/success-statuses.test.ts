import { expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { allSettled, logOf, openScene, statisticsOf, stopWorker, sumOf } from './scene.ts';

const STATUSES = [302, 410, 429, 503];
const MESSAGES = 30;

it('a status in success_statuses is shown as a failure nowhere, and does not make its endpoint unhealthy', async () => {
  const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
  await stopWorker(await scene.startWorker());
  for (const status of STATUSES) {
    await scene.query('INSERT INTO rule_webhooks (webhook_name, url, success_statuses) VALUES ($1, $2, $3)', [
      `answers-${status}`,
      `${endpoint.url}/status/${status}`,
      [status],
    ]);
  }
  const worker = await scene.startWorker({ TERMINAL_STATUSES: '429' });
  for (let number = 0; number < MESSAGES; number++) {
    for (const status of STATUSES) await scene.publish({ number }, { subject: `webhooks.answers-${status}` });
  }
  await allSettled(scene);
  const sent = MESSAGES * STATUSES.length;
  await until(async () => sumOf(await statisticsOf(scene), 'messages_acknowledged') === sent);

  expect(endpoint.requests.length).toBe(sent);
  expect((await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages).toBe(0);
  const attempts = `SELECT count(*)::int, verdict, error, response_excerpt FROM rule_nats_delivery_attempts GROUP BY 2, 3, 4`;
  await until(async () => {
    const rows = await scene.query<{ count: number }>(attempts);
    expect(rows).toMatchObject([{ verdict: 'ack', error: null, response_excerpt: null }]);
    return rows[0]?.count === sent;
  });
  expect(await scene.query('SELECT FROM nats_error_patterns')).toEqual([]);
  expect(
    await scene.query(`SELECT FROM nats_deliveries WHERE status <> 'delivered' OR last_error IS NOT NULL`),
  ).toEqual([]);
  expect(
    await scene.query(`SELECT FROM nats_endpoint_health WHERE state <> 'flowing' OR last_error IS NOT NULL`),
  ).toEqual([]);
  expect(
    await scene.query('SELECT FROM rule_webhooks WHERE NOT enabled OR failing_since IS NOT NULL'),
  ).toEqual([]);
  // The rows keep the retries of the extension, which give up early: that is said at the start.
  const warnings = logOf(worker).filter(({ level, msg }) => level !== 'info' && msg !== 'retries.end_early');
  expect(warnings).toEqual([]);
});
