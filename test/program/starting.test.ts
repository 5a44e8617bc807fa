import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { cleanUpAfter, temporaryFolder } from '../support/clean-up.ts';
import { type RunningProgram, runProgram } from '../support/program.ts';
import { createTestDatabase, startPrivatePostgres, startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { openJetStream, openScene, startEndpoint, statisticsOf } from './scene.ts';

const outputOf = ({ stdout, stderr }: RunningProgram) => [...stdout, ...stderr].join('\n');

/** Resolves to the output of a worker that ends with code 1. */
async function outputOfFailedStart(env: Record<string, string>): Promise<string> {
  const worker = await runProgram(['worker'], { env: { HTTP_PORT: '0', ...env } });
  expect(await worker.waitForExit()).toEqual({ code: 1, signal: null });
  return outputOf(worker);
}

describe('a worker whose NATS is away', () => {
  it('logs that it waits, and delivers when NATS is there', async () => {
    const [port, endpoint] = [await freePort(), await startEndpoint()];
    const worker = await runProgram(['worker'], {
      env: {
        NATS_URL: `nats://127.0.0.1:${port}`,
        DATABASE_URL: (await createTestDatabase()).url,
        ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
        HTTP_PORT: '0',
      },
    });
    await worker.waitForLine(/cannot be reached yet.*nats\.unreachable/);
    const nats = await startTestNats({ port });
    await worker.waitForLine('"msg":"worker.started"');
    const { js } = await openJetStream(nats.url);
    await js.publish('webhooks.test', JSON.stringify({ webhook_url: endpoint.url }));
    await until(() => endpoint.requests.length === 1);
  });

  it('ends with code 0 if it is stopped while it waits', async () => {
    const worker = await runProgram(['worker'], {
      env: {
        NATS_URL: `nats://127.0.0.1:${await freePort()}`,
        DATABASE_URL: (await createTestDatabase()).url,
        HTTP_PORT: '0',
      },
    });
    await worker.waitForLine(/cannot be reached yet.*nats\.unreachable/);
    worker.kill();
    expect(await worker.waitForExit()).toEqual({ code: 0, signal: null });
    expect(outputOf(worker)).toContain('"msg":"worker.start_cancelled"');
  });
});

describe('a worker whose PostgreSQL is away', () => {
  it('logs this and delivers, and creates its tables later', async () => {
    const postgres = await startPrivatePostgres();
    await postgres.stop();
    const [scene, endpoint] = [await openScene({ databaseUrl: postgres.url }), await startEndpoint()];
    const worker = await scene.startWorker({ CONSUMER_NAME: 'one' });
    expect(outputOf(worker)).toMatch(
      /DATABASE_URL.*Deliveries start without PostgreSQL.*postgres\.unreachable/,
    );
    const sequence = await scene.publish({ webhook_url: endpoint.url });
    await until(() => endpoint.requests.length === 1);
    await postgres.restart();
    expect(await scene.deliveryOf(sequence, 'delivered')).toMatchObject({ attempts: 1 });
    expect((await statisticsOf(scene)).get('one')).toMatchObject({
      messages_acknowledged: 1,
      rows_dropped: 0,
    });
  });
});

describe('a wrong password', () => {
  const SECRET = 'hunter2hunter2';

  it('of NATS ends the worker; the error names the settings, and does not show the password', async () => {
    const nats = await startTestNats({ config: 'authorization { user: worker, password: "right" }' });
    const { url } = await createTestDatabase();
    const output = await outputOfFailedStart({
      NATS_URL: nats.url,
      NATS_USER: 'worker',
      NATS_PASS: SECRET,
      DATABASE_URL: url,
    });
    expect(output).toMatch(/refuses user "worker": check NATS_USER and NATS_PASS/);
    expect(output).not.toContain(SECRET);
  });

  it('of PostgreSQL ends the worker; the error names the setting, and does not show the password', async () => {
    const database = new URL((await createTestDatabase()).url);
    database.password = SECRET;
    const output = await outputOfFailedStart({
      NATS_URL: (await startTestNats()).url,
      DATABASE_URL: database.href,
    });
    expect(output).toMatch(/DATABASE_URL .*Correct the user or the password/);
    expect(output).not.toContain(SECRET);
  });

  it('of both NATS and PostgreSQL is reported for both at once', async () => {
    const nats = await startTestNats({ config: 'authorization { user: worker, password: "right" }' });
    const database = new URL((await createTestDatabase()).url);
    database.password = SECRET;
    const output = await outputOfFailedStart({
      NATS_URL: nats.url.replace('//', `//worker:${SECRET}@`),
      DATABASE_URL: database.href,
    });
    expect(output).toMatch(/NATS_USER and NATS_PASS/);
    expect(output).toMatch(/DATABASE_URL/);
    expect(output).not.toContain(SECRET);
  });

  it('of PostgreSQL is reported at once, even if NATS is away', async () => {
    const database = new URL((await createTestDatabase()).url);
    database.password = SECRET;
    const output = await outputOfFailedStart({
      NATS_URL: `nats://127.0.0.1:${await freePort()}`,
      DATABASE_URL: database.href,
    });
    expect(output).toMatch(/DATABASE_URL/);
  });
});

describe('wrong settings', () => {
  it('are all reported at once, without their passwords', async () => {
    const output = await outputOfFailedStart({
      NATS_URL: 'http://user:hunter2@host',
      DATABASE_URL: 'mysql://user:hunter2@host',
      CONCURRENCY: '0',
      ACK_WAIT_MS: 'soon',
    });
    for (const name of ['NATS_URL', 'DATABASE_URL', 'CONCURRENCY', 'ACK_WAIT_MS'])
      expect(output).toMatch(new RegExp(`^ *${name}: `, 'm'));
    expect(output).not.toContain('hunter2');
  });
});

describe('a worker whose HTTP_PORT is in use', () => {
  it('logs this and delivers', async () => {
    const other = createServer();
    await new Promise<void>((listening) => other.listen(0, listening));
    cleanUpAfter(() => other.close());
    const { port } = other.address() as { port: number };
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const worker = await scene.startWorker({ HTTP_PORT: String(port) });
    expect(outputOf(worker)).toContain(`HTTP_PORT: port ${port} is in use`);
    await scene.publish({ webhook_url: endpoint.url });
    await until(() => endpoint.requests.length === 1);
  });
});

describe('the .env of the working folder', () => {
  it('is read, no matter where the program is', async () => {
    const [scene, endpoint, cwd] = [await openScene(), await startEndpoint(), await temporaryFolder()];
    await writeFile(join(cwd, '.env'), 'CONSUMER_NAME=from-the-file\nSTATS_INTERVAL_MS=600000\n');
    const worker = await scene.startWorker({}, { cwd });
    expect(outputOf(worker)).toContain('"worker":"from-the-file"');
    await scene.publish({ webhook_url: endpoint.url });
    // The interval in the environment wins. With the interval in the file, the row would come late.
    await until(async () => (await statisticsOf(scene)).get('from-the-file')?.messages_delivered === 1);
  });
});
