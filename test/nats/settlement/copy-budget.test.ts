import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../../src/nats/settlement/copy-budget.ts';

const MB = 1024 * 1024;
const FAILED = { failed: 'the parked stream is full' };

/** Acquires the budget for copies of these sizes. `begun` has the index and the failure of each, in order. */
function acquireAll(budget: ByteBudget, sizes: readonly number[]) {
  const begun: unknown[] = [];
  const all = sizes.map((bytes, index) =>
    budget.acquire(bytes).then((failed) => begun.push([index, failed?.failed ?? null])),
  );
  return { begun, all };
}

describe('copies for several endpoints', () => {
  it('take up to 4 MB at once, and further copies follow in order', async () => {
    const budget = new ByteBudget();
    const { begun, all } = acquireAll(budget, [3 * MB, MB, MB, MB]);
    await Promise.all(all.slice(0, 2));
    expect(begun).toEqual([
      [0, null],
      [1, null],
    ]);
    budget.release(MB, 'parked');
    await all[2];
    budget.release(3 * MB, 'parked');
    await all[3];
    expect(begun.length).toBe(4);
  });

  it('may be larger than 4 MB if no others are in progress', async () => {
    const budget = new ByteBudget();
    const { begun, all } = acquireAll(budget, [8 * MB, 8 * MB]);
    await all[0];
    expect(begun.length).toBe(1);
    budget.release(8 * MB, 'parked');
    await all[1];
  });

  it('fail with the copies that they wait for, and later copies are tried', async () => {
    const budget = new ByteBudget();
    const { begun, all } = acquireAll(budget, [4 * MB, MB, MB]);
    await all[0];
    budget.release(4 * MB, FAILED);
    await Promise.all(all);
    expect(begun.slice(1)).toEqual([
      [1, FAILED.failed],
      [2, FAILED.failed],
    ]);
    expect(await budget.acquire(MB)).toBeNull();
  });
});
