import { expect, it } from 'vitest';
import { OrderIgnoredLog } from '../../src/delivery/order-ignored-log.ts';
import { message } from './messages.ts';

const KEY = { 'Ordering-Key': 'k' };
const MINUTE = 60_000;

function startLog() {
  const logged: string[] = [];
  const log = {
    warn: ({ subject }: { subject: string }, event: string) => logged.push(`${event} ${subject}`),
  };
  return { ignored: new OrderIgnoredLog(log as never), logged };
}

it('A key on a subject without order is logged once for the subject', () => {
  const { ignored, logged } = startLog();
  for (const subject of ['webhooks.a', 'webhooks.b', 'webhooks.a'])
    ignored.add(message({}, { subject, headers: KEY }), 0);
  expect(logged).toEqual(['delivery.order_ignored webhooks.a', 'delivery.order_ignored webhooks.b']);
});

it('An ordered message, and a message without a key, are not logged', () => {
  const { ignored, logged } = startLog();
  ignored.add(message({}, { headers: KEY, orderingKey: 'webhooks.ordered.k' }), 0);
  ignored.add(message({}), 0);
  expect(logged).toEqual([]);
});

it('Subjects that are all different do not fill the log', () => {
  const { ignored, logged } = startLog();
  for (const now of [0, MINUTE])
    for (let n = 0; n < 50; n++)
      ignored.add(message({}, { subject: `webhooks.${now}-${n}`, headers: KEY }), now);
  expect(logged).toHaveLength(40);
});
