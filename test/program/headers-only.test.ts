import { describe, expect, it } from 'vitest';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { register } from './rows.ts';
import { allSettled, logOf, openScene, type Scene, setPaused, startEndpoint, stopWorker } from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const [STREAM, DURABLE] = ['WEBHOOKS', 'webhook-workers'];
const BIG = 'x'.repeat(700_000);

async function setHeadersOnly(scene: Scene, stream: string, durable: string, headersOnly: boolean) {
  const { config } = await scene.manager.consumers.info(stream, durable);
  await scene.manager.consumers.update(stream, durable, { ...config, headers_only: headersOnly });
}

describe('a durable that is changed to deliver headers only', () => {
  it('does not change what endpoints get, nor the number of attempts', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const { healthIs } = await startWorkerWithHealth(scene, { CONCURRENCY: '4' });
    await setHeadersOnly(scene, STREAM, DURABLE, true);
    const sequences: number[] = [];
    for (let number = 0; number < 40; number++) {
      const headers = { 'Webhook-Delivery-Id': `id-${number}` };
      sequences.push(await scene.publish({ webhook_url: endpoint.url, data: { number } }, { headers }));
    }
    sequences.push(await scene.publish({ webhook_url: endpoint.url, data: BIG }));
    await allSettled(scene);
    const got = endpoint.requests.map(({ headers, body }) => [headers['webhook-id'], body.toString()]);
    expect(got).toHaveLength(41);
    const lengths = endpoint.requests.map(({ headers }) => Number(headers['content-length']));
    expect(Math.max(...lengths)).toBe(JSON.stringify(BIG).length);
    expect(new Map(got as [string, string][]).get('id-7')).toBe('{"number":7}');
    expect(await scene.deliveryOf(sequences.at(-1)!, 'delivered')).toMatchObject({ attempts: 1 });
    await healthIs({
      status: 'degraded',
      troubles: { configuration: expect.stringContaining('headers_only') },
    });
    await setHeadersOnly(scene, STREAM, DURABLE, false);
    await healthIs({ status: 'ok' });
  });

  it('does not change an empty body, also if the publisher wrote Nats-Msg-Size himself', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.startWorker();
    await register(scene, 'empty', endpoint.url);
    const empty = (headers: Record<string, string>) =>
      scene.publish(new Uint8Array(0), { subject: 'webhooks.empty', headers });
    await empty({ 'Nats-Msg-Size': '12' });
    await allSettled(scene);
    await setHeadersOnly(scene, STREAM, DURABLE, true);
    await empty({ 'Nats-Msg-Size': '12' });
    await empty({});
    await allSettled(scene);
    expect(endpoint.requests.map(({ body }) => body.length)).toEqual([0, 0, 0]);
  });

  it('does not change a body whose publisher wrote that there is none', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.startWorker();
    await register(scene, 'full', endpoint.url);
    await setHeadersOnly(scene, STREAM, DURABLE, true);
    const headers = { 'Nats-Msg-Size': '0' };
    await scene.publish(Buffer.from('kept'), { subject: 'webhooks.full', headers });
    await allSettled(scene);
    expect(endpoint.requests.map(({ body }) => body.toString())).toEqual(['kept']);
  });

  it('does not change what parked copies hold', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.startWorker();
    await setPaused(scene, endpoint.url, true);
    const parked = async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages;
    await until(async () => {
      await scene.publish({ webhook_url: endpoint.url, data: { kept: true } });
      return (await parked()) > 0;
    });
    const [key] = await until(async () => {
      const { state } = await scene.manager.streams.info('WEBHOOKS_PARKED', { subjects_filter: '>' });
      const keys = Object.keys(state.subjects ?? {});
      return keys.length > 0 && keys;
    });
    const queue = key!.replace('parked.WEBHOOKS.', '');
    await scene.manager.consumers.add('WEBHOOKS_PARKED', {
      durable_name: `drain-WEBHOOKS-${queue}`,
      ack_policy: 'explicit' as never,
      filter_subject: key!,
      ack_wait: 60e9,
      max_deliver: -1,
      inactive_threshold: 60e9,
      headers_only: true,
    });
    await setPaused(scene, endpoint.url, false);
    await allSettled(scene);
    expect(new Set(endpoint.requests.map(({ body }) => body.toString()))).toEqual(new Set(['{"kept":true}']));
  });
});

it('without the right to read the stream, nothing is sent until the durable is changed back, and no attempt is lost', async () => {
  const deny = `publish: { deny: ["$JS.API.STREAM.MSG.GET.${STREAM}"] }`;
  const config = `authorization { users: [
    { user: admin, password: x }
    { user: worker, password: x, permissions: { ${deny} } } ] }`;
  const nats = await startTestNats({ config });
  const scene = await openScene({ nats, login: { user: 'admin', pass: 'x' } });
  const endpoint = await startEndpoint();
  const { worker, healthIs } = await startWorkerWithHealth(scene, {
    NATS_USER: 'worker',
    NATS_PASS: 'x',
    MAX_ATTEMPTS: '1',
  });
  await setHeadersOnly(scene, STREAM, DURABLE, true);
  const sequence = await scene.publish({ webhook_url: endpoint.url, data: { kept: true } });
  const said = await worker.waitForLine(/message\.body_unreadable/);
  expect(said).toContain(`$JS.API.STREAM.MSG.GET.${STREAM}`);
  await healthIs({ code: 503, status: 'failing' });
  expect(endpoint.requests).toEqual([]);
  await setHeadersOnly(scene, STREAM, DURABLE, false);
  await allSettled(scene, 60_000);
  expect(endpoint.requests.map(({ body }) => body.toString())).toEqual(['{"kept":true}']);
  await scene.deliveryOf(sequence, 'delivered');
  await stopWorker(worker);
  expect(logOf(worker).filter(({ msg }) => msg === 'message.body_unreadable')).toHaveLength(1);
}, 90_000);
