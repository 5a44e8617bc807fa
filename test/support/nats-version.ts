import { it } from 'vitest';
import { findNatsServer } from '../../src/embedded/nats/binary.ts';
import { isAtLeast, type Version, versionOf } from '../../src/embedded/process/executables.ts';

const version = await versionOf(await findNatsServer(process.env));
if (typeof version === 'string') throw new Error(`The version of nats-server is unknown: ${version}.`);

/**
 * `it` for a test that an older nats-server cannot pass. With such a server (NATS_SERVER_BIN) the test is skipped, and its title
 * says why.
 *
 * @param oldest The first version that can.
 * @param why What older versions lack: completes "because".
 */
export function itSinceNats(
  oldest: Version,
  why: string,
): (title: string, test: () => Promise<void>) => void {
  return isAtLeast(version as Version, oldest)
    ? it
    : (title, test) => it.skip(`${title} (needs nats-server ${oldest.join('.')}, because ${why})`, test);
}
