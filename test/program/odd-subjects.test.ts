import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { deadLetterOf, openScene, startEndpoint } from './scene.ts';

/** The longest subject of an ordered message that nats-server still takes: 4,096 bytes less the rest of the line. */
const LONG = `webhooks.ordered.${'k'.repeat(3980)}`;

describe('an ordering key of nearly 4 KB', () => {
  it('is delivered in order to one row', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await createTables(scene);
    await register(scene, 'one', endpoint.url, { nats_subject: 'webhooks.ordered.*' });
    await scene.startWorker();
    for (const n of [1, 2, 3]) await scene.publish({ n }, { subject: LONG });
    await until(() => endpoint.requests.length === 3);
    expect(endpoint.requests.map(({ body }) => JSON.parse(body.toString()).n)).toEqual([1, 2, 3]);
  });

  it('becomes a dead letter if two rows need copies, whose subjects are too long; other keys go on', async () => {
    const [scene, first, second] = [await openScene(), await startEndpoint(), await startEndpoint()];
    await createTables(scene);
    for (const [name, { url }] of Object.entries({ first, second }))
      await register(scene, name, url, { nats_subject: 'webhooks.ordered.*' });
    await scene.startWorker();
    const long = [
      await scene.publish({ n: 1 }, { subject: LONG }),
      await scene.publish({ n: 2 }, { subject: LONG }),
    ];
    await scene.publish({ n: 3 }, { subject: 'webhooks.ordered.short' });
    await until(() => first.requests.length + second.requests.length === 2);
    for (const sequence of long) {
      const { header } = await deadLetterOf(scene, sequence, 'WEBHOOKS');
      expect(header.get('Webhook-Dead-Letter-Reason')).toBe('malformed');
      expect(header.get('Webhook-Dead-Letter-Detail')).toMatch(
        /subject of a copy has \d+ bytes; the limit is 3900/,
      );
    }
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_ORDERED')).state.messages === 0);
    expect(first.requests.length + second.requests.length).toBe(2);
  });
});

describe('a subject with the byte 0x7f (DEL), which nats-server stores and leaves out of its index,', () => {
  it('is reported if it is an ordering key, because NATS never delivers its messages; other keys go on', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const worker = await scene.startWorker();
    await scene.publish({ webhook_url: endpoint.url }, { subject: 'webhooks.ordered.a\x7fb' });
    const line = await worker.waitForLine(/queue\.invalid_subject/);
    expect(JSON.parse(line).hint).toMatch(/a\\u007fb has the byte 0x7f \(DEL\)/);
    await scene.publish({ webhook_url: endpoint.url }, { subject: 'webhooks.ordered.ab' });
    await until(() => endpoint.requests.length === 1);
  });

  it('is refused by publish', async () => {
    const publish = ['publish', '--subject', 'webhooks.a\x7fb', '--data', '{}'];
    const { code, stderr } = await outcomeOf(publish, { NATS_URL: 'nats://127.0.0.1:9' });
    expect(code).not.toBe(0);
    expect(stderr).toContain('is not a subject to publish to');
  });
});
