import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Undeliverable } from '../../../src/delivery/resolve.ts';
import { DiscardLog } from '../../../src/delivery/statistics/discard-log.ts';
import { message } from '../messages.ts';

const MINUTE_MS = 60_000;

function openLog() {
  const lines: { msg: string; error: string }[] = [];
  const discards = new DiscardLog(pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }));
  const add = (detail: string, now = 0, endpointKey = 'orders-00000001') => {
    const discarded: Undeliverable = {
      id: 'm-1',
      endpointKey,
      webhookId: 1,
      outcome: { kind: 'filtered', detail },
    };
    discards.add(message({}), discarded, now);
  };
  return { lines, discards, add };
}

it('A discarded message is logged once for its endpoint and its event type', () => {
  const { lines, add } = openLog();
  add('type a');
  add('type a', 10 * MINUTE_MS);
  add('type b');
  add('type a', 0, 'other-00000002');
  expect(lines.map(({ error }) => error)).toEqual(['type a', 'type b', 'type a']);
  expect(lines[0]).toMatchObject({
    level: expect.anything(),
    msg: 'delivery.discarded',
    deliveryId: 'm-1',
    hint: expect.stringContaining('nats_deliveries'),
  });
});

it('Event types that are all different do not fill the log', () => {
  const { lines, add } = openLog();
  for (let n = 0; n < 1000; n++) add(`type ${n}`);
  expect(lines).toHaveLength(20);
  add('type 999', MINUTE_MS);
  expect(lines).toHaveLength(21);
});

it('A delete marker is logged once for its reason, and the hint says what may be lost', () => {
  const { lines, discards } = openLog();
  const outcome = { kind: 'deleteMarker', detail: 'a delete marker (MaxAge)' } as const;
  for (const id of ['m-1', 'm-2'])
    discards.add(message(''), { id, endpointKey: 'none', webhookId: null, outcome }, 0);
  expect(lines).toEqual([
    expect.objectContaining({ error: outcome.detail, hint: expect.stringContaining('a webhook is lost') }),
  ]);
});
