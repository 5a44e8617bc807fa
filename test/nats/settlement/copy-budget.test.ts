import { describe, expect, it } from 'vitest';
import { CopyTurns } from '../../../src/nats/settlement/copy-budget.ts';

const MB = 1024 * 1024;
const FAILED = { failed: 'the parked stream is full' };

/** What has begun, in its order, and with what. */
function queue(turns: CopyTurns, sizes: readonly number[]) {
  const begun: unknown[] = [];
  const all = sizes.map((bytes, index) =>
    turns.enter(bytes).then((failed) => begun.push([index, failed?.failed ?? null])),
  );
  return { begun, all };
}

describe('copies for several endpoints', () => {
  it('are under way up to 4 MB at once; the others follow in their order', async () => {
    const turns = new CopyTurns();
    const { begun, all } = queue(turns, [3 * MB, MB, MB, MB]);
    await Promise.all(all.slice(0, 2));
    expect(begun).toEqual([
      [0, null],
      [1, null],
    ]);
    turns.leave(MB, 'parked');
    await all[2];
    turns.leave(3 * MB, 'parked');
    await all[3];
    expect(begun.length).toBe(4);
  });

  it('may be larger than that, alone', async () => {
    const turns = new CopyTurns();
    const { begun, all } = queue(turns, [8 * MB, 8 * MB]);
    await all[0];
    expect(begun.length).toBe(1);
    turns.leave(8 * MB, 'parked');
    await all[1];
  });

  it('fail with the one that they wait behind; those that come later are tried', async () => {
    const turns = new CopyTurns();
    const { begun, all } = queue(turns, [4 * MB, MB, MB]);
    await all[0];
    turns.leave(4 * MB, FAILED);
    await Promise.all(all);
    expect(begun.slice(1)).toEqual([
      [1, FAILED.failed],
      [2, FAILED.failed],
    ]);
    expect(await turns.enter(MB)).toBeNull();
  });
});
