import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connect } from 'nats';
import { describe, expect, it } from 'vitest';
import { type NatsServerOptions, startNatsServer } from '../../../src/embedded/nats/server.ts';
import { isRunning } from '../../../src/embedded/process/process-identity.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { cleanUpAfter, temporaryFolder } from '../../support/clean-up.ts';
import { startTestNats } from '../../support/servers.ts';

async function start(options: Partial<NatsServerOptions> = {}) {
  const port = options.preferredPort === undefined ? { port: 0 } : {};
  const dataDir = await temporaryFolder();
  const server = await startNatsServer({ dataDir, env: process.env, log: () => {}, ...port, ...options });
  cleanUpAfter(server.stop);
  return server;
}

/** A port on which another server listens. */
async function takenPort(): Promise<number> {
  const other = createServer().listen(0, '127.0.0.1');
  cleanUpAfter(() => other.close());
  await once(other, 'listening');
  return (other.address() as AddressInfo).port;
}

describe('an embedded nats-server', () => {
  it('has JetStream, an address and a pid', async () => {
    const server = await start();
    expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
    expect(isRunning(server.pid)).toBe(true);
    const client = await connect({ servers: server.url });
    await expect((await client.jetstreamManager()).getAccountInfo()).resolves.toBeDefined();
    await client.close();
  });

  it.each(['restart', 'kill'] as const)('keeps its streams after a %s', async (ending) => {
    const server = await startTestNats();
    const before = await connect({ servers: server.url });
    await (await before.jetstreamManager()).streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
    await before.jetstream().publish('webhooks.a', 'x');
    await before.close();
    if (ending === 'kill') await server.kill();
    await server.restart();
    const after = await connect({ servers: server.url });
    const { state } = await (await after.jetstreamManager()).streams.info('WEBHOOKS');
    expect(state.messages).toBe(1);
    await after.close();
  });

  it('ends when it is stopped, even with clients connected', async () => {
    const server = await start();
    const client = await connect({ servers: server.url, reconnect: false });
    await server.stop();
    expect(isRunning(server.pid)).toBe(false);
    await client.closed();
  });

  it('uses the contents of its configuration file', async () => {
    const server = await startTestNats({ config: 'max_payload: 12345\nauthorization { token: secret }' });
    const client = await connect({ servers: server.url, token: 'secret' });
    expect(client.info).toMatchObject({ max_payload: 12345, auth_required: true });
    await client.close();
  });

  it('listens on another port if the preferred port is in use', async () => {
    const taken = await takenPort();
    const server = await start({ preferredPort: taken });
    expect(server.port).not.toBe(taken);
  });

  it('fails if its port is in use, and the error names the port', async () => {
    const port = await takenPort();
    await expect(start({ port })).rejects.toThrow(
      new UserError(`Port ${port} is in use: stop the program that listens on it, or choose another port.`),
    );
  });

  it('fails with the last lines of its log if it ends before it is ready', async () => {
    await expect(start({ extraConfig: 'cluster {' })).rejects.toThrow(
      /nats-server ended before it was ready.*\n.*Parse error on line 1/s,
    );
  });
});
