import { execFile } from 'node:child_process';
import { constants, existsSync, rmSync } from 'node:fs';
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../process/executables.ts';

/** npm waits 20 s for an answer of the registry. By default it would wait five minutes, three times. */
const PATIENCE = ['--fetch-timeout=20000', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/**
 * Downloads a package with npm, because npm knows the user's registry and proxy.
 * @param spec name and version, `<name>@<version>`
 * @param folder for temporary files
 * @returns the published package, a gzipped tar archive
 * @throws Error with npm's error code
 */
export async function npmPack(spec: string, folder: string, env: Environment): Promise<Buffer> {
  const temporary = await mkdtemp(join(folder, 'download-'));
  try {
    const cache = (await canKeepCache(env)) ? [] : ['--cache', join(temporary, 'cache')];
    const [command, ...args] = npm(env, [
      'pack',
      spec,
      '--pack-destination',
      temporary,
      ...cache,
      ...PATIENCE,
    ]);
    const packing = promisify(execFile)(command, args, { cwd: temporary, env: { ...env } });
    // Without this, npm would continue after the end of this process.
    const end = () => {
      packing.child.kill('SIGKILL');
      rmSync(temporary, { recursive: true, force: true });
    };
    process.once('exit', end);
    await packing.catch(explain).finally(() => process.off('exit', end));
    const archive = (await readdir(temporary)).find((name) => name.endsWith('.tgz')) ?? '';
    return await readFile(join(temporary, archive));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The npm that started this process, else the npm on PATH. Other package managers set `npm_execpath` too, but lack `pack`. */
function npm(env: Environment, args: string[]): [string, ...string[]] {
  const script = env.npm_execpath;
  return script && basename(script).startsWith('npm')
    ? [process.execPath, script, ...args]
    : ['npm', ...args];
}

/** npm fails if it cannot write its cache. The home folder of a service user is often missing or not writable. */
async function canKeepCache({ npm_config_cache, HOME }: Environment): Promise<boolean> {
  const cache = npm_config_cache || join(HOME || '/', '.npm');
  return access(existsSync(cache) ? cache : `${dirname(cache)}/`, constants.W_OK).then(
    () => true,
    () => false,
  );
}

function explain(error: Error & { code?: unknown; stderr?: string }): never {
  if (error.code === 'ENOENT') throw new Error('npm is not on PATH');
  const code = /npm (?:error|ERR!) code (\S+)/.exec(error.stderr ?? '')?.[1];
  throw new Error(code ? `npm pack failed with ${code}` : error.message);
}
