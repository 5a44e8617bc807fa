import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { allSettled, openScene, statisticsOf, stopWorker } from './scene.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** The answer for each path. `ends`: the endpoint closes the connection after it. */
const ANSWERS: Record<string, { bytes: string; ends?: boolean }> = {
  '/continue': { bytes: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\n${OK}` },
  '/no-content': { bytes: 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n' },
  '/cut': { bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf', ends: true },
  '/endless': { bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf' },
  '/both': { bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n' },
};

/** A TCP or TLS server that records the paths of its requests. */
async function startRaw(server: Server, talk: (socket: Socket, path: string, isFirst: boolean) => void) {
  const paths: string[] = [];
  const sockets = new Set<Socket>();
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    let count = 0;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      // The body may arrive separately.
      const path = /^POST (\S+)/.exec(bytes.toString('latin1'))?.[1];
      if (path === undefined) return;
      paths.push(path);
      talk(socket, path, ++count === 1);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUpAfter(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, paths };
}

function answer(socket: Socket, path: string): void {
  const { bytes, ends = false } = ANSWERS[path]!;
  socket.write(bytes, () => ends && socket.end());
}

describe('an irregular answer with a 2xx status', () => {
  it('is a delivery after one request', async () => {
    const [scene, endpoint] = [await openScene(), await startRaw(createServer(), answer)];
    const worker = await scene.startWorker({
      CONSUMER_NAME: 'one',
      BACKOFF_BASE_MS: '1',
      ATTEMPT_TIMEOUT_MS: '5000',
    });
    const paths = Object.keys(ANSWERS);
    for (const path of paths)
      await scene.publish({ webhook_url: `http://127.0.0.1:${endpoint.port}${path}`, data: { path } });
    await allSettled(scene);
    await stopWorker(worker);
    expect(endpoint.paths.toSorted()).toEqual(paths.toSorted());
    expect((await statisticsOf(scene)).get('one')).toMatchObject({
      messages_acknowledged: paths.length,
      messages_dead_lettered: 0,
      messages_retried: 0,
      http_attempts: paths.length,
    });
  });

  it('is a delivery over TLS, too, with a private authority in NODE_EXTRA_CA_CERTS', async () => {
    const authority = await makeAuthority();
    const { certFile, keyFile } = await authority.sign('endpoint', ['localhost', '127.0.0.1']);
    const secure = createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
    const [scene, endpoint] = [await openScene(), await startRaw(secure, answer)];
    await scene.startWorker({ NODE_EXTRA_CA_CERTS: authority.caFile, BACKOFF_BASE_MS: '1' });
    for (const path of ['/continue', '/no-content', '/both'])
      await scene.deliveryOf(
        await scene.publish({ webhook_url: `https://127.0.0.1:${endpoint.port}${path}` }),
        'delivered',
      );
    expect(endpoint.paths).toEqual(['/continue', '/no-content', '/both']);
  });
});

describe('an endpoint that closes a kept connection at its second request', () => {
  it('gets each webhook, also for a row without retries', async () => {
    const scene = await openScene();
    await createTables(scene);
    const endpoint = await startRaw(createServer(), (socket, _path, isFirst) => {
      if (isFirst) socket.write(OK);
      else socket.destroy();
    });
    await register(scene, 'once', `http://127.0.0.1:${endpoint.port}/once`, { retry_enabled: false });
    const worker = await scene.startWorker({ CONSUMER_NAME: 'one' });
    const count = 10;
    for (let number = 0; number < count; number++) {
      const sequence = await scene.publish({ number }, { subject: 'webhooks.once' });
      await scene.deliveryOf(sequence, 'delivered');
    }
    await stopWorker(worker);
    const statistics = (await statisticsOf(scene)).get('one')!;
    expect(statistics).toMatchObject({ messages_acknowledged: count, messages_dead_lettered: 0 });
    // The endpoint broke each second request on a connection, and the worker sent it once more.
    expect(endpoint.paths.length).toBeGreaterThan(count);
    expect(statistics.http_attempts).toBe(endpoint.paths.length);
    expect(
      await until(() => scene.query('SELECT DISTINCT outcome FROM rule_nats_delivery_attempts')),
    ).toEqual([{ outcome: 'responded' }]);
  });
});
