import { spawnSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataFolder } from '../../../src/embedded/files/data-folder.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { temporaryFolder } from '../../support/clean-up.ts';
import { runCommand } from '../../support/program.ts';

const PROGRAM = new URL('../programs/hold-data-folder.mjs', import.meta.url).pathname;

const newFolder = async () => join(await temporaryFolder(), '.data');
const holder = (folder: string) => runCommand(process.execPath, [PROGRAM, folder]);

async function failureOf(opening: Promise<unknown>): Promise<string> {
  const failure = await opening.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UserError);
  return (failure as UserError).message;
}

/** A claim in the folder as a process `pid` that started at `startTime` leaves it. */
async function leaveClaim(folder: string, pid: number, startTime: string): Promise<void> {
  await mkdir(join(folder, 'locks'), { recursive: true });
  await writeFile(join(folder, 'locks', String(pid)), startTime);
}

describe('a data folder', () => {
  it('is made when it is missing', async () => {
    const folder = await newFolder();
    expect(await openDataFolder(folder)).toMatchObject({ path: folder });
    expect(await readdir(folder)).toEqual(['locks']);
  });

  it('that another process holds is refused with its pid and how to stop it', async () => {
    const folder = await newFolder();
    const first = await holder(folder);
    await first.waitForLine('held');
    expect(await failureOf(openDataFolder(folder))).toMatch(
      `Process ${first.pid} already runs on ${folder}. Stop that process first (Ctrl-C in its terminal, or "kill ${first.pid}")`,
    );
  });

  it('that this process holds is refused until it is released', async () => {
    const folder = await newFolder();
    const first = await openDataFolder(folder);
    expect(await failureOf(openDataFolder(folder))).toMatch(`Process ${process.pid} already runs`);
    await first.release();
    await (await openDataFolder(folder)).release();
  });

  it('whose holder was killed with kill -9 is taken over', async () => {
    const folder = await newFolder();
    const first = await holder(folder);
    await first.waitForLine('held');
    first.kill('SIGKILL');
    await first.waitForExit();
    await openDataFolder(folder);
  });

  it('whose holder has ended is taken over', async () => {
    const folder = await newFolder();
    await leaveClaim(folder, spawnSync(process.execPath, ['-e', '']).pid, '1');
    await openDataFolder(folder);
  });

  it.runIf(process.platform === 'linux')(
    'is taken over when the pid of its holder belongs to another process now',
    async () => {
      const folder = await newFolder();
      await leaveClaim(folder, process.ppid, '1');
      await leaveClaim(folder, process.pid, '1');
      await openDataFolder(folder);
    },
  );

  it('goes to exactly one of several that start together', async () => {
    const folder = await newFolder();
    const programs = await Promise.all([1, 2, 3, 4].map(() => holder(folder)));
    const answers = await Promise.all(programs.map((program) => program.waitForLine(/held|refused/)));
    expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
  });

  it('that cannot be made is an error that names it', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    expect(await failureOf(openDataFolder(join(file, '.data')))).toMatch(
      `Cannot write in the data folder ${file}/.data: ENOTDIR`,
    );
  });
});
