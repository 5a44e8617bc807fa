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
const holdInProcess = (folder: string) => runCommand(process.execPath, [PROGRAM, folder]);

async function failureOf(opening: Promise<unknown>): Promise<string> {
  const failure = await opening.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UserError);
  return (failure as UserError).message;
}

/** Writes the claim that a process with this pid and start time leaves in the folder. */
async function leaveClaim(folder: string, pid: number, startTime: string): Promise<void> {
  await mkdir(join(folder, 'locks'), { recursive: true });
  await writeFile(join(folder, 'locks', String(pid)), startTime);
}

describe('a data folder', () => {
  it('is created if it is missing', async () => {
    const folder = await newFolder();
    expect(await openDataFolder(folder)).toMatchObject({ path: folder });
    expect(await readdir(folder)).toEqual(['locks']);
  });

  it('is emptied on demand, and stays held', async () => {
    const path = await newFolder();
    const folder = await openDataFolder(path);
    await mkdir(join(path, 'nats', 'jetstream'), { recursive: true });
    await writeFile(join(path, 'servers.json'), '{}');
    await folder.empty();
    expect(await readdir(path)).toEqual(['locks']);
    expect(await failureOf(openDataFolder(path))).toMatch(`Process ${process.pid} already runs on ${path}`);
  });

  it('cannot be opened while another process holds it, and the error says how to stop that process', async () => {
    const folder = await newFolder();
    const first = await holdInProcess(folder);
    await first.waitForLine('held');
    expect(await failureOf(openDataFolder(folder))).toMatch(
      `Process ${first.pid} already runs on ${folder}. Stop that process first (Ctrl-C in its terminal, or "kill ${first.pid}")`,
    );
  });

  it('cannot be opened twice by one process until it is released', async () => {
    const folder = await newFolder();
    const first = await openDataFolder(folder);
    expect(await failureOf(openDataFolder(folder))).toMatch(`Process ${process.pid} already runs`);
    await first.release();
    await (await openDataFolder(folder)).release();
  });

  it('can be opened after its holder was killed with kill -9', async () => {
    const folder = await newFolder();
    const first = await holdInProcess(folder);
    await first.waitForLine('held');
    first.kill('SIGKILL');
    await first.waitForExit();
    await openDataFolder(folder);
  });

  it('can be opened after its holder has ended', async () => {
    const folder = await newFolder();
    await leaveClaim(folder, spawnSync(process.execPath, ['-e', '']).pid, '1');
    await openDataFolder(folder);
  });

  it.runIf(process.platform === 'linux')(
    'can be opened if the pid of its holder belongs to another process now',
    async () => {
      const folder = await newFolder();
      await leaveClaim(folder, process.ppid, '1');
      await leaveClaim(folder, process.pid, '1');
      await openDataFolder(folder);
    },
  );

  it('is opened by exactly one of several processes that start together', async () => {
    const folder = await newFolder();
    const programs = await Promise.all([1, 2, 3, 4].map(() => holdInProcess(folder)));
    const answers = await Promise.all(programs.map((program) => program.waitForLine(/held|refused/)));
    expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
  });

  it('is named in the error if it cannot be created', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    expect(await failureOf(openDataFolder(join(file, '.data')))).toMatch(
      `Cannot write in the data folder ${file}/.data: ENOTDIR`,
    );
  });
});
