import { beforeAll, describe, expect, it } from 'vitest';
import { createMessagePublisher } from '../../../src/nats/publishing/message-publisher.ts';
import { ensureStream } from '../../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../../src/nats/streams/stream-config.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { connectTo } from '../servers.ts';

let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
});

async function scene() {
  const client = await connectTo(nats.url);
  await ensureStream(client, defaultWebhookStream('W', ['webhooks.*']));
  return { client, ...createMessagePublisher(client, 2000) };
}
const message = (headers: Readonly<Record<string, string>>) => ({
  subject: 'webhooks.a',
  body: Buffer.from('{"a":1}'),
  headers,
});

describe('a message that is composed already', () => {
  it('is stored with its headers and its body, once per id', async () => {
    const { client, publish } = await scene();
    const headers = { 'Nats-Msg-Id': 'outbox-1', 'Webhook-Headers': '{"X-A":"\\u00fc: 1"}', 'X-Empty': '' };
    const first = await publish(message(headers));
    const second = await publish(message(headers));
    expect(second).toEqual({ stored: { ...('stored' in first && first.stored), duplicate: true } });
    const stored = await client.manager.streams.getMessage('W', { last_by_subj: 'webhooks.a' });
    expect(stored.string()).toBe('{"a":1}');
    for (const [name, value] of Object.entries(headers)) expect(stored.header.get(name)).toBe(value);
  });

  it.each([
    ['a line break in a value', { 'X-A': 'a\r\nNats-TTL: 1' }],
    ['a colon in a name', { 'X:A': 'a' }],
    ['white space in a name', { 'X A': 'a' }],
    ['no name', { '': 'a' }],
  ])('is never sent with %s', async (_, headers) => {
    const { publish } = await scene();
    expect(await publish(message({ 'Nats-Msg-Id': 'x', ...headers }))).toMatchObject({ failed: 'invalid' });
  });
});
