import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { outcomeOf } from '../commands/programs.ts';
import { startByHand } from '../nats/servers.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { allSettled, deadLetterOf, openScene, startEndpoint, statisticsOf } from './scene.ts';

describe('a JetStream domain behind a leaf node', () => {
  it('has the stream, the durable, the acks and the dead letters of the worker, and the leaf node has none of them', async () => {
    const leafPort = await freePort();
    const hub = await startTestNats({
      config: `server_name: hub, jetstream { domain: hub }, leafnodes { listen: "127.0.0.1:${leafPort}" }`,
    });
    const leaf = await startByHand(
      `server_name: leaf, jetstream { domain: leaf }, leafnodes { remotes: [{ url: "nats://127.0.0.1:${leafPort}" }] }`,
    );
    // The test is connected to the hub, and the worker and the publishers to the leaf node.
    const [scene, good, bad] = [
      await openScene({ nats: hub }),
      await startEndpoint(),
      await startEndpoint({ status: 500 }),
    ];
    const leafEnv = { NATS_URL: leaf.url, NATS_JS_DOMAIN: 'hub', CONSUMER_NAME: 'one' };
    await scene.startWorker({ ...leafEnv, MAX_ATTEMPTS: '2', BACKOFF_BASE_MS: '10' });

    const publish = (url: string) =>
      outcomeOf(['publish', '--url', url, '--data', '{}'], { ...scene.env, ...leafEnv });
    expect(await publish(good.url)).toMatchObject({ code: 0, stderr: '' });
    expect(await publish(bad.url)).toMatchObject({ code: 0, stderr: '' });
    expect((await deadLetterOf(scene, 2)).header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
    expect([good.requests.length, bad.requests.length]).toEqual([1, 2]);
    await allSettled(scene);
    expect((await scene.manager.consumers.info('WEBHOOKS', 'webhook-workers')).num_ack_pending).toBe(0);
    await until(async () => (await statisticsOf(scene)).get('one')?.messages_dead_lettered === 1);
    expect((await outcomeOf(['stats'], { ...scene.env, ...leafEnv })).stdout).toContain('1 dead letters');

    const atLeaf = await outcomeOf(['stats'], { ...scene.env, NATS_URL: leaf.url });
    expect(atLeaf.stdout).toContain('is not on the stream WEBHOOKS yet');
  });
});
