import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { createTables } from './rows.ts';
import { openScene, type Scene, stopWorker } from './scene.ts';

const DIE_AT = fileURLToPath(new URL('die-at.mjs', import.meta.url));
const ROWS = 20;

async function startRelay(scene: Scene, env: Readonly<Record<string, string>> = {}) {
  return runProgram(['relay'], { env: { ...scene.env, ...env } });
}

const storedIn = async ({ manager }: Scene, stream: string) =>
  (await manager.streams.info(stream)).state.messages;

async function waiting(scene: Scene): Promise<number> {
  return (await scene.query('SELECT FROM rule_nats_outbox')).length;
}

describe('a relay that dies', () => {
  it.each([
    ['outbox.published', 'before it has deleted the rows', ROWS],
    ['outbox.settled', 'before the commit', ROWS],
    ['outbox.committed', 'after the commit', 0],
  ])('at %s, %s, loses no row, and NATS stores each message once', async (at, _, left) => {
    const scene = await openScene();
    await createTables(scene);
    await scene.query(`SELECT webhook_enqueue('a', to_jsonb(n)) FROM generate_series(1, $1) n`, [ROWS]);
    const victim = await startRelay(scene, {
      NODE_OPTIONS: `--import=${DIE_AT}`,
      DIE_AT: at,
      DIE_AT_TIME: '1',
    });
    expect(await victim.waitForExit()).toMatchObject({ signal: 'SIGKILL' });
    await until(async () => (await waiting(scene)) === left);
    const successor = await startRelay(scene);
    await successor.waitForLine(/relay\.started/);
    await until(async () => (await waiting(scene)) === 0);
    expect(await storedIn(scene, 'WEBHOOKS')).toBe(ROWS);
    const last = await stopWorker(successor);
    expect(last).toMatchObject({ published: left, duplicates: left, unconfirmed: 0 });
    const history = await scene.query(`SELECT FROM rule_nats_publish_history WHERE triggered_by = 'outbox'`);
    expect(history).toHaveLength(ROWS);
  });

  it('frees the rows of a relay that is stopped in the middle of a batch', async () => {
    const scene = await openScene();
    await createTables(scene);
    const stopped = await startRelay(scene);
    await stopped.waitForLine(/relay\.started/);
    stopped.kill('SIGSTOP');
    const other = await startRelay(scene);
    await scene.query(`SELECT webhook_enqueue('a', to_jsonb(n)) FROM generate_series(1, $1) n`, [ROWS]);
    await until(async () => (await waiting(scene)) === 0);
    expect(await storedIn(scene, 'WEBHOOKS')).toBe(ROWS);
    stopped.kill('SIGCONT');
    await Promise.all([stopped, other].map(stopWorker));
  });
});
