import { chmod, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new empty folder that every user may enter: PostgreSQL runs as another user if root starts it. */
export async function makeFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'nats-webhook-worker-test-')));
  await chmod(folder, 0o755);
  return folder;
}
