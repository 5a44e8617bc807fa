import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canEnter } from '../../../src/embedded/process/server-user.ts';
import { temporaryFolder } from '../../support/clean-up.ts';

const stranger = { uid: 65_534, gid: 65_534 };

/** A folder inside one with this mode. */
async function folderBelow(mode: number): Promise<{ outer: string; inner: string }> {
  const outer = join(await temporaryFolder(), 'outer');
  const inner = join(outer, 'inner');
  await mkdir(inner, { recursive: true });
  await chmod(outer, mode);
  return { outer, inner };
}

describe('a user', () => {
  it('can enter a folder that all parents are open to', async () => {
    expect(await canEnter((await folderBelow(0o755)).inner, stranger)).toBe(true);
  });

  it('cannot enter a folder below one that is closed, as a home folder often is', async () => {
    expect(await canEnter((await folderBelow(0o700)).inner, stranger)).toBe(false);
    expect(await canEnter((await folderBelow(0o750)).inner, stranger)).toBe(false);
  });

  it('cannot enter a folder that would be made below a closed one', async () => {
    const { inner } = await folderBelow(0o700);
    expect(await canEnter(join(inner, 'not', 'yet'), stranger)).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)('can enter what is closed to all but itself or its group', async () => {
    const { outer, inner } = await folderBelow(0o700);
    await chown(outer, stranger.uid, 0);
    expect(await canEnter(inner, stranger)).toBe(true);
    await chown(outer, 0, stranger.gid);
    await chmod(outer, 0o710);
    expect(await canEnter(inner, stranger)).toBe(true);
  });
});
