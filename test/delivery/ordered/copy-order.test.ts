import { describe, expect, it } from 'vitest';
import { CopyOrder } from '../../../src/delivery/ordered/copy-order.ts';
import { message } from '../messages.ts';

const KEY = 'webhooks.ordered.k';
const SHOP = 'shop-0a1b2c3d';

/** @param waiting The endpoint keys with copies; null: unknown. */
function open(waiting: string[] | null = [], present: readonly string[] = []) {
  const asked: string[] = [];
  const known = { waiting };
  const order = new CopyOrder(
    {
      async keysWithCopies(orderingKey) {
        asked.push(orderingKey);
        return known.waiting;
      },
    },
    (key) => present.includes(key),
  );
  const direct = (deliverySequence: number, receivedAt = 0, orderingKey = KEY) =>
    message({}, { orderingKey, deliverySequence, receivedAt });
  const copy = (key: string, receivedAt = 0) =>
    message({}, { orderingKey: `ordered.WEBHOOKS.${KEY}.${key}`, parkedEndpointKey: key, receivedAt });
  return { order, asked, known, direct, copy };
}

describe('an ordered message for one row', () => {
  it.each([
    ['for the row', [SHOP], true],
    ['for the row under an earlier name', ['store-0a1b2c3d'], true],
    ['for the row that had its name before', ['shop-99999999'], true],
    ['for the row, whose key has its id behind it', ['store-0a1b2c3d-id7'], true],
    ['for another row', ['bank-11112222'], false],
    ['nobody knows where', null, true],
  ])('waits where copies wait %s', async (_what, waiting, expected) => {
    const { order, direct } = open(waiting);
    expect(await order.mustWait(direct(1), SHOP)).toBe(expected);
  });

  it('needs no answer of NATS if it directly follows a message of this worker, or is that message again', async () => {
    const { order, asked, direct } = open();
    for (const sequence of [1, 2, 2, 3, 4]) expect(await order.mustWait(direct(sequence), SHOP)).toBe(false);
    expect(asked).toEqual([KEY]);
  });

  it.each([
    ['another worker had a message between', 6, 0, KEY, SHOP],
    ['the row is another one', 5, 0, KEY, 'bank-11112222'],
    ['the ordering key is another one', 5, 0, 'webhooks.ordered.other', SHOP],
    ['the last one is long ago', 5, 10_000, KEY, SHOP],
  ])('asks NATS if %s', async (_what, sequence, at, key, row) => {
    const { order, known, direct } = open();
    await order.mustWait(direct(4), SHOP);
    known.waiting = [row];
    expect(await order.mustWait(direct(sequence, at, key), row)).toBe(true);
  });

  it('asks NATS after this worker copied a message for several rows, and as long as copies wait', async () => {
    const { order, asked, known, direct } = open();
    await order.mustWait(direct(1), SHOP);
    order.onFanOut(direct(2));
    known.waiting = [SHOP];
    expect(await order.mustWait(direct(3), SHOP)).toBe(true);
    expect(await order.mustWait(direct(3), SHOP)).toBe(true);
    known.waiting = [];
    expect(await order.mustWait(direct(3), SHOP)).toBe(false);
    expect(asked).toHaveLength(4);
  });
});

describe('a copy for one of several rows', () => {
  it('waits behind the copies under an earlier name of its row, and they do not wait behind it', async () => {
    const { order, copy } = open([SHOP, 'store-0a1b2c3d']);
    expect(await order.mustWait(copy(SHOP), SHOP)).toBe(true);
    expect(await order.mustWait(copy('store-0a1b2c3d'), SHOP)).toBe(false);
  });

  it('does not wait for another row that looks like an earlier name of its own, nor that row for it', async () => {
    const twin = 'shop-99999999';
    const { order, copy } = open([SHOP, twin], [SHOP, twin]);
    expect(await order.mustWait(copy(SHOP), SHOP)).toBe(false);
    expect(await order.mustWait(copy(twin), twin)).toBe(false);
  });

  it('asks NATS once in a second where its row has no other copies', async () => {
    const { order, asked, copy } = open([SHOP, 'bank-11112222']);
    for (const at of [0, 500, 999, 1000]) expect(await order.mustWait(copy(SHOP, at), SHOP)).toBe(false);
    expect(asked).toEqual([KEY, KEY]);
  });
});
