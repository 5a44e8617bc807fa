import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { composeProject, docker, inspect, type Project } from './compose.ts';

/** Long enough for a slow machine, on which containers wait for each other, for name resolution and for health checks. */
const LONG_WAIT = { timeoutMs: 120_000 };
const TEST_MS = 300_000;
const HOOK = 'http://receiver:9000/hook';

let project: Project;
let key: string;

beforeAll(async () => {
  project = await composeProject();
  await project.run('up', '--build', '--detach', '--wait');
  await project.run(
    ...program('sql', `INSERT INTO rule_webhooks (webhook_name, url) VALUES ('orders', '${HOOK}')`),
  );
  const made = await project.run(...program('keys', 'create', 'shop', '--json'));
  key = (JSON.parse(made) as { key: string }).key;
}, 1_200_000);

/** A command of the program, in the container of the API. */
const program = (...args: string[]) => ['exec', '-T', 'api', 'node', 'dist/main.js', ...args];

const containerOf = async (service: string) => (await project.containersOf(service))[0]!;
const healthOf = async (service: string) => inspect(await containerOf(service), '.State.Health.Status');
const becomes = (service: string, health: string) =>
  until(async () => (await healthOf(service)) === health, LONG_WAIT);
const arrives = (id: string) => until(async () => (await project.arrivals()).includes(id), LONG_WAIT);

async function post(orderId: number): Promise<{ status: number; id: string }> {
  const published = await project.run('port', 'api', '8080');
  const response = await fetch(`http://${published}/webhooks/orders`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ id: orderId }),
  });
  const { id } = (await response.json()) as { id: string };
  return { status: response.status, id };
}

async function enqueue(messageId: string): Promise<void> {
  const row = `SELECT webhook_enqueue('orders', '{"id": 1}', message_id => '${messageId}')`;
  await project.run(...program('sql', row));
}

describe('docker compose up', { timeout: TEST_MS }, () => {
  it('runs worker, api and relay, each healthy, and none of them as root', async () => {
    for (const service of ['worker', 'api', 'relay']) {
      expect(await healthOf(service), service).toBe('healthy');
      expect(await docker(['exec', await containerOf(service), 'id', '-u']), service).toBe('1000');
    }
    const listed = await project.run('ps', '--format', '{{.Service}} {{.Health}}');
    expect(listed.split('\n').sort()).toEqual([
      'api healthy',
      'nats healthy',
      'postgres healthy',
      'receiver healthy',
      'relay healthy',
      'worker healthy',
    ]);
  });

  it('takes webhooks on the published port, and delivers them', async () => {
    const { status, id } = await post(1);
    expect(status).toBe(202);
    await arrives(id);
  });

  it('takes webhooks of other containers, which call the API by the name of its service', async () => {
    const script = `fetch('http://api:8080/webhooks/orders', { method: 'POST', body: '{"id":2}', headers: { 'x-api-key': '${key}' } })
      .then((answer) => answer.text().then((body) => console.log(answer.status, body)))`;
    const answered = await project.run('exec', '-T', 'worker', 'node', '-e', script);
    expect(answered).toMatch(/^202 /);
    await arrives((JSON.parse(answered.slice(4)) as { id: string }).id);
  });

  it('refuses requests without a key, and opens no other port of the API on the machine', async () => {
    const published = await project.run('port', 'api', '8080');
    expect((await fetch(`http://${published}/webhooks/orders`, { method: 'POST', body: '{}' })).status).toBe(
      401,
    );
    const ports = await inspect(await containerOf('api'), 'json .NetworkSettings.Ports');
    const open = Object.entries(JSON.parse(ports) as Record<string, unknown>).filter(([, to]) => to !== null);
    expect(open.map(([port]) => port)).toEqual(['8080/tcp']);
  });

  it('delivers a row of the outbox', async () => {
    await enqueue('from-the-outbox');
    await arrives('from-the-outbox');
  });

  it('has an unhealthy api while NATS is away, keeps rows of the outbox meanwhile, and goes on afterwards', async () => {
    await project.run('stop', 'nats');
    expect((await post(3)).status).toBe(503);
    await enqueue('while-nats-is-away');
    await becomes('api', 'unhealthy');
    await project.run('start', 'nats');
    await becomes('api', 'healthy');
    await arrives('while-nats-is-away');
    const { status, id } = await post(4);
    expect(status).toBe(202);
    await arrives(id);
  });

  it('takes webhooks and stays healthy while PostgreSQL is away', async () => {
    await project.run('stop', 'postgres');
    const { status, id } = await post(5);
    expect(status).toBe(202);
    await arrives(id);
    expect(await healthOf('api')).toBe('healthy');
    await project.run('start', 'postgres');
    await enqueue('after-postgres-was-away');
    await arrives('after-postgres-was-away');
  });

  it('starts the api and the relay while NATS is away', async () => {
    await project.run('stop', 'nats', 'api', 'relay');
    await project.run('up', '--detach', '--no-deps', 'api', 'relay');
    await becomes('api', 'unhealthy');
    await project.run('start', 'nats');
    await becomes('api', 'healthy');
    await becomes('relay', 'healthy');
    const { status, id } = await post(6);
    expect(status).toBe(202);
    await arrives(id);
  });

  it('stops api and relay with code 0 within their grace period', async () => {
    await project.run('stop', 'api', 'relay');
    for (const [service, last] of [
      ['api', 'api.stopped'],
      ['relay', 'relay.stopped'],
    ] as const) {
      const container = await containerOf(service);
      expect(await inspect(container, '.State.ExitCode'), service).toBe('0');
      expect(JSON.parse((await docker(['logs', container])).split('\n').at(-1)!)).toMatchObject({
        msg: last,
      });
    }
  });

  it('runs all three in one container, which is healthy, unhealthy while NATS is away, and stops with code 0', async () => {
    await project.run('stop', 'worker');
    await project.run('up', '--detach', '--wait', 'all');
    await project.run(
      'exec',
      '-T',
      'all',
      'node',
      'dist/main.js',
      'sql',
      "SELECT webhook_enqueue('orders', '{}', message_id => 'by-all')",
    );
    await arrives('by-all');
    await project.run('stop', 'nats');
    await becomes('all', 'unhealthy');
    await project.run('start', 'nats');
    await becomes('all', 'healthy');
    await project.run('stop', 'all');
    const container = await containerOf('all');
    expect(await inspect(container, '.State.ExitCode')).toBe('0');
    expect(await docker(['logs', container])).toMatch(/api\.stopped.*relay\.stopped.*worker\.stopped/s);
  });
});
