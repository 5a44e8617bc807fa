import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';

const PREPARE = new URL('../../src/prepare/', import.meta.url).pathname;

/**
 * A fake TypeScript compiler. It writes a line to builds.log at each run, "compiles" by copying, and fails if a source contains
 * "type error". It waits while the file `hold` exists. It ignores SIGINT and SIGTERM if the file `deaf` exists.
 */
const COMPILER = `
  const { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync } = require('node:fs');
  const out = process.argv[process.argv.indexOf('--outDir') + 1];
  appendFileSync('builds.log', 'build\\n');
  mkdirSync(out);
  cpSync('src', out, { recursive: true });
  console.log('compiling');
  if (readFileSync('src/main.ts', 'utf8').includes('type error')) {
    console.log('src/main.ts(1,1): error TS1: no');
    process.exit(2);
  }
  if (existsSync('deaf')) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  setInterval(() => existsSync('hold') || process.exit(0), 10);
`;

/** A package like this one, but its only dependency is a folder in it. So npm installs it at once, without a network. */
export async function packageToPrepare() {
  const root = await temporaryFolder();
  const at = (...names: string[]) => join(root, ...names);
  const write = async (name: string, content: string) => {
    await mkdir(join(at(name), '..'), { recursive: true });
    await writeFile(at(name), content);
  };
  const compiler = { version: '1.0.0', resolved: 'vendor/typescript', link: true, dev: true };
  const devDependencies = { typescript: 'file:vendor/typescript' };
  const packages = {
    '': { name: 'fixture', devDependencies },
    'node_modules/typescript': compiler,
    'vendor/typescript': { version: '1.0.0', dev: true },
  };
  const { scripts } = JSON.parse(await readFile(join(PREPARE, '../../package.json'), 'utf8'));
  await write('package.json', JSON.stringify({ name: 'fixture', type: 'module', scripts, devDependencies }));
  await write(
    'package-lock.json',
    JSON.stringify({ name: 'fixture', lockfileVersion: 3, requires: true, packages }),
  );
  await write('vendor/typescript/package.json', JSON.stringify({ name: 'typescript', version: '1.0.0' }));
  await write('vendor/typescript/bin/tsc', COMPILER);
  await write('tsconfig.build.json', '{}');
  await write('src/main.ts', 'one');
  await cp(join(PREPARE, '../../.npmrc'), at('.npmrc'));
  for (const name of ['prepare.mjs', 'lock.mjs', 'npm.mjs', 'progress.mjs', 'step.mjs']) {
    await mkdir(at('src', 'prepare'), { recursive: true });
    await cp(join(PREPARE, name), at('src', 'prepare', name));
  }
  const read = (name: string) => readFile(at(name), 'utf8').catch(() => undefined);
  return {
    at,
    read,
    write,
    npmStart: () => runCommand('npm', ['start'], { cwd: root, env: { npm_config_fetch_retries: '0' } }),
    /** The number of builds so far. */
    builds: async () => (await read('builds.log'))?.split('\n').filter(Boolean).length ?? 0,
    prepare: (env: Record<string, string> = {}, args: readonly string[] = []) =>
      runCommand(process.execPath, ['src/prepare/prepare.mjs', ...args], {
        cwd: root,
        env: { NODE_ENV: 'production', npm_config_fetch_retries: '0', ...env },
      }),
  };
}

/** A folder for PATH that has Node and nothing else. */
export async function folderWithNodeOnly(): Promise<string> {
  const folder = await temporaryFolder();
  await symlink(process.execPath, join(folder, 'node'));
  return folder;
}
