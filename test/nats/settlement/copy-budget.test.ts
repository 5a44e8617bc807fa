import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../../src/nats/settlement/copy-budget.ts';

const MB = 1024 * 1024;
const FAILED = { failed: 'the parked stream is full' };

/** What has begun, in its order, and with what. */
function queue(turns: ByteBudget, sizes: readonly number[]) {
  const begun: unknown[] = [];
  const all = sizes.map((bytes, index) =>
    turns.acquire(bytes).then((failed) => begun.push([index, failed?.failed ?? null])),
  );
  return { begun, all };
}

describe('copies for several endpoints', () => {
  it('are under way up to 4 MB at once; the others follow in their order', async () => {
    const turns = new ByteBudget();
    const { begun, all } = queue(turns, [3 * MB, MB, MB, MB]);
    await Promise.all(all.slice(0, 2));
    expect(begun).toEqual([
      [0, null],
      [1, null],
    ]);
    turns.release(MB, 'parked');
    await all[2];
    turns.release(3 * MB, 'parked');
    await all[3];
    expect(begun.length).toBe(4);
  });

  it('may be larger than that, alone', async () => {
    const turns = new ByteBudget();
    const { begun, all } = queue(turns, [8 * MB, 8 * MB]);
    await all[0];
    expect(begun.length).toBe(1);
    turns.release(8 * MB, 'parked');
    await all[1];
  });

  it('fail with the one that they wait behind; those that come later are tried', async () => {
    const turns = new ByteBudget();
    const { begun, all } = queue(turns, [4 * MB, MB, MB]);
    await all[0];
    turns.release(4 * MB, FAILED);
    await Promise.all(all);
    expect(begun.slice(1)).toEqual([
      [1, FAILED.failed],
      [2, FAILED.failed],
    ]);
    expect(await turns.acquire(MB)).toBeNull();
  });
});
