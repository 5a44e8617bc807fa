import { execFile } from 'node:child_process';
import { constants, existsSync, rmSync } from 'node:fs';
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../process/executables.ts';

/** A registry that is silent for 20 s is away; npm itself would wait for five minutes, three times over. */
const PATIENCE = ['--fetch-timeout=20000', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/**
 * Downloads a package with npm, which knows the user's registry and proxy.
 * @param spec name and version, `<name>@<version>`
 * @param folder where temporary files may be kept
 * @returns the package as it is published, a gzipped tar archive
 * @throws Error with npm's own code for the reason
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
    // npm would go on without us.
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

/** The npm that runs us, else the one on PATH. Other package managers set `npm_execpath` too, but do not know `pack`. */
function npm(env: Environment, args: string[]): [string, ...string[]] {
  const script = env.npm_execpath;
  return script && basename(script).startsWith('npm')
    ? [process.execPath, script, ...args]
    : ['npm', ...args];
}

/** npm fails where it cannot write its cache, as with the homes of services, which are often missing or closed. */
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
