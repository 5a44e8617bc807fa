import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findNatsServer } from '../../../src/embedded/nats/binary.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { temporaryFolder } from '../../support/clean-up.ts';

/** An environment with an empty cache and an empty NATS_SERVER_BIN. */
async function emptyEnvironment() {
  return { ...process.env, NATS_SERVER_BIN: '', XDG_CACHE_HOME: await temporaryFolder() };
}

async function programOfVersion(version: string): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'nats-server'), `#!/bin/sh\necho "nats-server: v${version}"\n`, {
    mode: 0o755,
  });
  return join(folder, 'nats-server');
}

describe('nats-server', () => {
  it('is the program that NATS_SERVER_BIN names', async () => {
    const program = await programOfVersion('2.10.4');
    expect(await findNatsServer({ ...process.env, NATS_SERVER_BIN: program })).toBe(program);
  });

  it.each([
    '2.10.3',
    '2.9.25',
    '1.4.1',
  ])('%s in NATS_SERVER_BIN is an error that says it is too old', async (version) => {
    const program = await programOfVersion(version);
    await expect(findNatsServer({ ...process.env, NATS_SERVER_BIN: program })).rejects.toThrow(
      new UserError(
        `NATS_SERVER_BIN is ${program}, but it is too old (${version}): correct it, or leave it empty.`,
      ),
    );
  });

  it('in NATS_SERVER_BIN is an error if the file does not exist, and no other program is searched', async () => {
    await expect(findNatsServer({ ...process.env, NATS_SERVER_BIN: '/nowhere/nats-server' })).rejects.toThrow(
      new UserError(
        'NATS_SERVER_BIN is /nowhere/nats-server, but it does not exist: correct it, or leave it empty.',
      ),
    );
  });

  it('on PATH is used instead of a download', async () => {
    const program = await programOfVersion('2.11.0');
    const env = await emptyEnvironment();
    expect(await findNatsServer({ ...env, PATH: join(program, '..') })).toBe(program);
    expect(await readdir(join(env.XDG_CACHE_HOME, 'nats-webhook-worker'))).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('a downloaded nats-server', () => {
  it('is complete if two searches download it at once, and is the only file in the cache', async () => {
    const env = await emptyEnvironment();
    const [first, second] = await Promise.all([findNatsServer(env), findNatsServer(env)]);
    expect(first).toBe(second);
    const cache = join(env.XDG_CACHE_HOME, 'nats-webhook-worker');
    expect((await readdir(cache)).map((name) => join(cache, name))).toEqual([first]);
  });

  it.each([
    ['cut short', (path: string) => truncate(path, 100_000)],
    ['overwritten', (path: string) => writeFile(path, 'rubbish')],
  ])('is replaced if it was %s in the cache', async (_, damage) => {
    const env = await emptyEnvironment();
    const path = await findNatsServer(env);
    const { size } = await stat(path);
    await damage(path);
    expect(await findNatsServer(env)).toBe(path);
    expect((await stat(path)).size).toBe(size);
  });

  it('is stored in the package if the home folder is not writable', async () => {
    const file = join(await temporaryFolder(), 'file');
    await mkdir(join(file, '..', 'other'));
    await writeFile(file, '');
    const path = await findNatsServer({
      ...process.env,
      NATS_SERVER_BIN: '',
      XDG_CACHE_HOME: '',
      HOME: file,
    });
    expect(path).toMatch(/\.cache\/nats-server-/);
    expect((await readFile(path)).subarray(1, 4).toString()).toBe('ELF');
  });
});
