import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { isRunning } from '../../src/embedded/process/process-identity.ts';
import { until } from '../support/wait.ts';
import { folderWithNodeOnly, packageToPrepare } from './package-to-prepare.ts';

type Package = Awaited<ReturnType<typeof packageToPrepare>>;

async function prepare(fixture: Package, env: Record<string, string> = {}) {
  const program = await fixture.prepare(env);
  const { code } = await program.waitForExit();
  return { code, stderr: program.stderr.join('\n') };
}

/** Starts to prepare, and returns when the compiler runs and waits. */
async function prepareAndHold(fixture: Package) {
  await fixture.write('hold', '');
  const program = await fixture.prepare();
  await until(() => existsSync(fixture.at('dist.building', 'main.ts')));
  return program;
}

// Standard error is not compared: a slow machine prints progress there.
const success = { code: 0 };

describe('preparing a checkout', () => {
  it('installs all packages, those for development included, and builds', async () => {
    const fixture = await packageToPrepare();
    expect(await prepare(fixture)).toMatchObject(success);
    expect(await fixture.read('dist/main.ts')).toBe('one');
    expect(existsSync(fixture.at('node_modules', 'typescript'))).toBe(true);
  });

  it('does nothing when nothing changed', async () => {
    const fixture = await packageToPrepare();
    await prepare(fixture);
    await fixture.write('node_modules/mark', '');
    expect(await prepare(fixture)).toMatchObject(success);
    expect(await fixture.builds()).toBe(1);
    expect(await fixture.read('node_modules/mark')).toBe('');
  });

  it('builds again after a source changed, and leaves no output of a removed source', async () => {
    const fixture = await packageToPrepare();
    await fixture.write('src/removed.ts', '');
    await prepare(fixture);
    await rm(fixture.at('src', 'removed.ts'));
    await fixture.write('src/main.ts', 'two');
    expect(await prepare(fixture)).toMatchObject(success);
    expect(await fixture.read('dist/main.ts')).toBe('two');
    expect(existsSync(fixture.at('dist', 'removed.ts'))).toBe(false);
  });

  it('installs again after node_modules was removed', async () => {
    const fixture = await packageToPrepare();
    await prepare(fixture);
    await rm(fixture.at('node_modules'), { recursive: true });
    expect(await prepare(fixture)).toMatchObject(success);
    expect(existsSync(fixture.at('node_modules', 'typescript'))).toBe(true);
  });

  it('installs and builds again after the lock file changed', async () => {
    const fixture = await packageToPrepare();
    await prepare(fixture);
    await fixture.write('node_modules/mark', '');
    await fixture.write('package-lock.json', `${await fixture.read('package-lock.json')}\n`);
    expect(await prepare(fixture)).toMatchObject(success);
    expect(await fixture.read('node_modules/mark')).toBeUndefined();
    expect(await fixture.builds()).toBe(2);
  });

  it('happens once if two processes start together', async () => {
    const fixture = await packageToPrepare();
    const results = await Promise.all([prepare(fixture), prepare(fixture)]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(await fixture.builds()).toBe(1);
  });

  it('waits for another process that prepares, and names the process', async () => {
    const fixture = await packageToPrepare();
    const first = await prepareAndHold(fixture);
    const second = await fixture.prepare();
    await second.waitForLine(/^Waiting for process \d+, which prepares this folder/);
    await rm(fixture.at('hold'));
    expect((await first.waitForExit()).code).toBe(0);
    expect((await second.waitForExit()).code).toBe(0);
    expect(await fixture.builds()).toBe(1);
  });

  it('starts after another process was killed, once the compiler of that process has ended', async () => {
    const fixture = await packageToPrepare();
    const first = await prepareAndHold(fixture);
    first.kill('SIGKILL');
    const second = await fixture.prepare();
    await second.waitForLine('Waiting for process');
    await rm(fixture.at('hold'));
    expect((await second.waitForExit()).code).toBe(0);
    expect(await fixture.read('dist/main.ts')).toBe('one');
  });

  it('ignores the files that a dead process left', async () => {
    const fixture = await packageToPrepare();
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await fixture.write(`.cache/prepare/${pid}-1`, '');
    expect(await prepare(fixture)).toMatchObject(success);
    expect(await readdir(fixture.at('.cache', 'prepare'))).toEqual([]);
  });

  it.each([
    'SIGINT',
    'SIGTERM',
  ] as const)('leaves the last build and no process when it is ended by %s', async (signal) => {
    const fixture = await packageToPrepare();
    await prepare(fixture);
    await fixture.write('src/main.ts', 'two');
    const program = await prepareAndHold(fixture);
    const claims = await readdir(fixture.at('.cache', 'prepare'));
    program.kill(signal);
    expect(await program.waitForExit()).toEqual({ code: null, signal });
    expect(claims.map((name) => isRunning(Number(name.split('-')[0])))).toEqual([false, false]);
    expect(await fixture.read('dist/main.ts')).toBe('one');
    await rm(fixture.at('hold'));
    expect(await prepare(fixture)).toMatchObject(success);
    expect(await fixture.read('dist/main.ts')).toBe('two');
  });

  it('ends at SIGTERM even if its current step does not end', async () => {
    const fixture = await packageToPrepare();
    await fixture.write('deaf', '');
    const program = await prepareAndHold(fixture);
    const claims = await readdir(fixture.at('.cache', 'prepare'));
    program.kill();
    expect(await program.waitForExit()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(claims.map((name) => isRunning(Number(name.split('-')[0])))).toEqual([false, false]);
  });

  it('ends when npm start is ended', async () => {
    const fixture = await packageToPrepare();
    await fixture.write('hold', '');
    const npm = await fixture.npmStart();
    await until(() => existsSync(fixture.at('dist.building', 'main.ts')));
    const claims = await readdir(fixture.at('.cache', 'prepare'));
    npm.kill();
    await npm.waitForExit();
    expect(claims).toHaveLength(2);
    await until(() => claims.every((name) => !isRunning(Number(name.split('-')[0]))));
  });

  it('runs the program with the given arguments', async () => {
    const fixture = await packageToPrepare();
    await fixture.write('src/main.js', 'console.log(process.argv.slice(1).join(" ")); process.exit(3);');
    const program = await fixture.prepare({}, ['up', '--flag']);
    expect(await program.waitForExit()).toMatchObject({ code: 3 });
    expect(program.stdout).toEqual([`${fixture.at('dist', 'main.js')} up --flag`]);
  });

  it('does not run the program if it fails', async () => {
    const fixture = await packageToPrepare();
    await fixture.write('src/main.js', 'console.log("runs");');
    await fixture.write('src/main.ts', 'type error');
    const program = await fixture.prepare({}, ['up']);
    expect(await program.waitForExit()).toMatchObject({ code: 1 });
    expect(program.stdout).toEqual([]);
  });

  it('keeps the last build if there is a type error, and shows the error', async () => {
    const fixture = await packageToPrepare();
    await prepare(fixture);
    await fixture.write('src/main.ts', 'type error');
    const { code, stderr } = await prepare(fixture);
    expect(code).toBe(1);
    expect(stderr).toMatch(/src\/main\.ts\(1,1\): error TS1: no\n\nBuilding failed/);
    expect(await fixture.read('dist/main.ts')).toBe('one');
    expect(existsSync(fixture.at('dist.building'))).toBe(false);
  });

  it('fails with the cause if the npm registry does not answer', async () => {
    const fixture = await packageToPrepare();
    const lock = JSON.parse((await fixture.read('package-lock.json'))!);
    lock.packages[''].devDependencies.away = '1.0.0';
    lock.packages['node_modules/away'] = {
      version: '1.0.0',
      resolved: 'http://127.0.0.1:1/away.tgz',
      dev: true,
    };
    await writeFile(fixture.at('package-lock.json'), JSON.stringify(lock));
    const manifest = JSON.parse((await fixture.read('package.json'))!);
    manifest.devDependencies.away = '1.0.0';
    await writeFile(fixture.at('package.json'), JSON.stringify(manifest));
    const { code, stderr } = await prepare(fixture);
    expect(code).toBe(1);
    expect(stderr).toContain('The npm registry does not answer (ECONNREFUSED). Check the network');
  });

  it('shows the error of npm if the lock file does not match the package', async () => {
    const fixture = await packageToPrepare();
    await fixture.write(
      'package.json',
      JSON.stringify({ name: 'fixture', dependencies: { other: '1.0.0' } }),
    );
    const { code, stderr } = await prepare(fixture);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Missing: other@1\.0\.0 from lock file.*npm ci failed: correct the error above, then start again/s,
    );
  });

  it('fails with the cure if npm is not installed', async () => {
    const fixture = await packageToPrepare();
    const { code, stderr } = await prepare(fixture, { PATH: await folderWithNodeOnly() });
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'npm was not found: add its folder to PATH.' });
  });
});
