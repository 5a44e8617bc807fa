import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canEnter } from '../../../src/embedded/process/server-user.ts';
import { temporaryFolder } from '../../support/clean-up.ts';

const otherUser = { uid: 65_534, gid: 65_534 };

/** A folder inside a folder with this mode. */
async function folderBelow(mode: number): Promise<{ outer: string; inner: string }> {
  const outer = join(await temporaryFolder(), 'outer');
  const inner = join(outer, 'inner');
  await mkdir(inner, { recursive: true });
  await chmod(outer, mode);
  return { outer, inner };
}

describe('a user', () => {
  it('can enter a folder if every parent folder is open to all users', async () => {
    expect(await canEnter((await folderBelow(0o755)).inner, otherUser)).toBe(true);
  });

  it('cannot enter a folder below a closed folder, such as many home folders', async () => {
    expect(await canEnter((await folderBelow(0o700)).inner, otherUser)).toBe(false);
    expect(await canEnter((await folderBelow(0o750)).inner, otherUser)).toBe(false);
  });

  it('cannot enter a folder that does not exist yet below a closed folder', async () => {
    const { inner } = await folderBelow(0o700);
    expect(await canEnter(join(inner, 'not', 'yet'), otherUser)).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)(
    'can enter a folder that is open only to this user or its group',
    async () => {
      const { outer, inner } = await folderBelow(0o700);
      await chown(outer, otherUser.uid, 0);
      expect(await canEnter(inner, otherUser)).toBe(true);
      await chown(outer, 0, otherUser.gid);
      await chmod(outer, 0o710);
      expect(await canEnter(inner, otherUser)).toBe(true);
    },
  );
});
