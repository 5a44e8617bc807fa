import { nanos, RetentionPolicy, type StreamConfig } from 'nats';
import { describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import {
  deadLetterOf,
  openScene,
  type Scene,
  setPaused,
  skipBefore211,
  startEndpoint,
  statisticsOf,
  sumOf,
} from './scene.ts';

/** Fields of newer servers that the types of the client do not have. */
type NewerConfig = Partial<StreamConfig> & { allow_msg_ttl?: boolean; subject_delete_marker_ttl?: number };

/** A scene whose stream of webhooks removes messages when their Nats-TTL is over. */
async function openSceneWithTtl(skip: (why: string) => void, more: NewerConfig = {}): Promise<Scene> {
  const scene = await openScene();
  skipBefore211(scene, skip);
  const config: NewerConfig = {
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Workqueue,
    allow_msg_ttl: true,
    ...more,
  };
  await scene.manager.streams.add(config as Partial<StreamConfig>);
  return scene;
}

const ttl = (value: string) => ({ headers: { 'Nats-TTL': value } });
const messagesIn = async (scene: Scene, stream: string) =>
  (await scene.manager.streams.info(stream)).state.messages;
const dropped = async (scene: Scene) => sumOf(await statisticsOf(scene), 'messages_dropped');

describe('a message with Nats-TTL', () => {
  it('that is parked becomes a dead letter when its time is over, and is not sent', async ({ skip }) => {
    const [scene, endpoint] = [await openSceneWithTtl(skip), await startEndpoint()];
    await scene.startWorker();
    await setPaused(scene, endpoint.url, true);
    await until(async () => {
      const [row] = await scene.query<{ state: string }>('SELECT state FROM nats_endpoint_health');
      if (row?.state === 'paused') return true;
      await scene.publish({ webhook_url: `${endpoint.url}/probe` });
      return false;
    });
    const before = endpoint.requests.length;
    const sequences = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        scene.publish({ webhook_url: endpoint.url, data: { n } }, ttl('3s')),
      ),
    );
    await until(async () => (await messagesIn(scene, 'WEBHOOKS')) === 0);
    const removedAt = Date.now() + 3000;
    await until(() => Date.now() > removedAt);
    await setPaused(scene, endpoint.url, false);
    await until(async () => (await messagesIn(scene, 'WEBHOOKS_DLQ')) === 40);
    for (const sequence of sequences) {
      const { header } = await deadLetterOf(scene, sequence);
      expect(header.get('Webhook-Dead-Letter-Reason')).toBe('expired');
      expect(header.get('Webhook-Dead-Letter-Detail')).toMatch(/^Nats-TTL: expired at /);
    }
    const late = endpoint.requests.slice(before).filter(({ body }) => body.toString().includes('"n"'));
    expect(late).toEqual([]);
  });

  it('that fails is not removed by NATS before its dead letter is stored', async ({ skip }) => {
    const [scene, endpoint] = [await openSceneWithTtl(skip), await startEndpoint({ status: 500 })];
    await scene.startWorker({ MAX_ATTEMPTS: '20', BACKOFF_BASE_MS: '700', BACKOFF_MAX_MS: '700' });
    const sequence = await scene.publish({ webhook_url: endpoint.url }, ttl('3'));
    const { header } = await deadLetterOf(scene, sequence);
    expect(header.get('Webhook-Dead-Letter-Reason')).toBe('expired');
    expect(Number(header.get('Webhook-Attempts'))).toBe(endpoint.requests.length);
    expect(endpoint.requests.length).toBeGreaterThan(1);
  });

  it('of never is delivered', async ({ skip }) => {
    const [scene, endpoint] = [await openSceneWithTtl(skip), await startEndpoint()];
    await scene.startWorker();
    await scene.publish({ webhook_url: endpoint.url }, ttl('never'));
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests[0]!.headers).not.toHaveProperty('nats-ttl');
  });
});

describe('a delete marker of NATS', () => {
  it('is acked and counted, and not sent to the row of its subject', async ({ skip }) => {
    const config = { subject_delete_marker_ttl: nanos(5000), allow_rollup_hdrs: true };
    const [scene, endpoint] = [await openSceneWithTtl(skip, config), await startEndpoint()];
    const worker = await scene.startWorker();
    await scene.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('orders', $1)`, [endpoint.url]);
    const { consumers, streams } = scene.manager;
    // No worker gets the message, so NATS removes it and stores a delete marker, which stays for 5 s.
    await consumers.pause('WEBHOOKS', 'webhook-workers', new Date(Date.now() + 3_600_000));
    await scene.publish({ n: 1 }, { subject: 'webhooks.orders', ...ttl('5s') });
    await until(async () => {
      const last = await streams.getMessage('WEBHOOKS', { last_by_subj: 'webhooks.orders' });
      return last.header.get('Nats-Marker-Reason') === 'MaxAge';
    });
    await consumers.resume('WEBHOOKS', 'webhook-workers');
    await worker.waitForLine(/delivery\.discarded/);
    await until(async () => (await dropped(scene)) === 1);
    await until(async () => {
      const [row] = await scene.query<Record<string, unknown>>(
        'SELECT status, last_error FROM nats_deliveries',
      );
      return row?.status === 'discarded' && String(row.last_error).includes('not a webhook');
    });
    expect(endpoint.requests).toEqual([]);
    expect(await messagesIn(scene, 'WEBHOOKS')).toBe(0);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });
});
