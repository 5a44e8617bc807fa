import { headers } from 'nats';
import { expect, test } from 'vitest';
import { startTestNats } from '../../support/servers.ts';
import { STREAM } from '../group.ts';
import { connectTo } from '../servers.ts';
import { startSettling } from '../settlement/settlement-scene.ts';

test('one that is kept for long lets go of what came over the wire with it, and stays what it is', async () => {
  const client = await connectTo((await startTestNats()).url);
  const { next, settle } = await startSettling(client);
  const withId = headers();
  withId.set('Webhook-Delivery-Id', 'order-1');
  const data = Buffer.from('{"n":1}');
  for (let number = 0; number < 3; number++)
    client.connection.publish(`webhooks.${STREAM}`, data, { headers: withId });
  const message = await next();
  message.detach();
  expect(message.data.buffer.byteLength).toBe(message.size);
  expect([message.subject, Buffer.from(message.data), message.header('Webhook-Delivery-Id')]).toEqual([
    `webhooks.${STREAM}`,
    data,
    'order-1',
  ]);
  expect(await settle(message, { kind: 'ack' })).toEqual({ kind: 'ack' });
});
