import { beforeEach, describe, expect, it } from 'vitest';
import { AheadQueue } from '../../src/outbox/ahead-queue.ts';
import type { Batch, BatchRequest } from '../../src/outbox/ports.ts';

/** A batch that is under way: the test claims its rows, and settles it. */
type UnderWay = { claim(rows: number): void; settle(): void; fail(error: Error): void };

let underWay: UnderWay[];
let mayGoAhead: boolean;
let looks: number;
let queue: AheadQueue;
let request: BatchRequest;

beforeEach(() => {
  underWay = [];
  mayGoAhead = true;
  looks = 0;
  queue = new AheadQueue({
    name: 'rows',
    mostRows: 2,
    settleBatch({ begin }) {
      const look = begin();
      return new Promise<Batch>((resolve, reject) => {
        const number = underWay.length;
        const outcomes = [{ kind: 'failed', subject: null, error: `batch ${number}` } as const];
        underWay.push({
          claim: look.onClaimed,
          settle: () => resolve({ isFull: look.isFull, leavesOut: false, outcomes }),
          fail: reject,
        });
      });
    },
  });
  const begin = () => ({ isFull: ++looks === 1, onClaimed() {} });
  request = { most: Number.POSITIVE_INFINITY, begin, mayGoAhead: () => mayGoAhead };
});

const turn = () => new Promise(setImmediate);

describe('a queue that goes ahead', () => {
  it('begins the next batch when the last one is claimed and full, and gives it to who asks next', async () => {
    const first = queue.settleBatch(request);
    await turn();
    expect([underWay.length, queue.isAhead]).toEqual([1, false]);
    underWay[0]!.claim(2);
    await turn();
    expect([underWay.length, queue.isAhead]).toEqual([2, true]);
    underWay[0]!.settle();
    expect(await first).toMatchObject({ isFull: true, outcomes: [{ error: 'batch 0' }] });
    const second = queue.settleBatch(request);
    underWay[1]!.settle();
    expect(await second).toMatchObject({ isFull: false, outcomes: [{ error: 'batch 1' }] });
    expect([underWay.length, looks]).toEqual([2, 2]);
  });

  it('is never more than one batch ahead of the one that is waited for', async () => {
    const first = queue.settleBatch(request);
    underWay[0]!.claim(2);
    await turn();
    underWay[1]!.claim(2);
    await turn();
    expect(underWay.length).toBe(2);
    underWay[0]!.settle();
    await first;
    void queue.settleBatch(request);
    await turn();
    expect(underWay.length).toBe(3);
  });

  it('stays where it is if a batch is not full, or it may not go ahead', async () => {
    const first = queue.settleBatch(request);
    underWay[0]!.claim(1);
    underWay[0]!.settle();
    await first;
    mayGoAhead = false;
    void queue.settleBatch(request);
    underWay[1]!.claim(2);
    await turn();
    expect([underWay.length, queue.isAhead]).toEqual([2, false]);
  });

  it('tells the failure of a batch that is ahead to who asks for it', async () => {
    const first = queue.settleBatch(request);
    underWay[0]!.claim(2);
    await turn();
    underWay[1]!.fail(new Error('the connection broke'));
    await turn();
    underWay[0]!.settle();
    await first;
    await expect(queue.settleBatch(request)).rejects.toThrow('the connection broke');
    expect(queue.isAhead).toBe(false);
  });
});
