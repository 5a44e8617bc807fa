import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { deadLetterOf, openScene, startEndpoint } from './scene.ts';

/** Starts a forward proxy that connects every CONNECT request to `port` of this machine, or rejects it with `status`. */
async function startProxy(answer: { port?: number; status?: number }, listenOn = 0) {
  const connects: { authority: string; login: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    connects.push({ authority: request.url!, login: request.headers['proxy-authorization'] });
    sockets.add(client);
    client.on('error', () => {});
    if (answer.port === undefined) {
      client.end(`HTTP/1.1 ${answer.status} No\r\n\r\n`);
      return;
    }
    const upstream = connect(answer.port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  await once(server.listen(listenOn, '127.0.0.1'), 'listening');
  cleanUpAfter(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, connects, answer };
}

describe('EGRESS_PROXY', () => {
  it('gets every delivery by CONNECT, with the login, and resolves the host names itself', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const proxy = await startProxy({ port: endpoint.port });
    const worker = await scene.startWorker({ EGRESS_PROXY: `http://ann:s3cret@127.0.0.1:${proxy.port}` });
    await scene.publish({ webhook_url: 'http://only-the-proxy-knows.test/hook', data: { a: 1 } });
    await until(() => endpoint.requests.length === 1);
    expect(proxy.connects).toEqual([
      {
        authority: 'only-the-proxy-knows.test:80',
        login: `Basic ${Buffer.from('ann:s3cret').toString('base64')}`,
      },
    ]);
    expect(endpoint.requests[0]).toMatchObject({
      path: '/hook',
      headers: { host: 'only-the-proxy-knows.test', 'content-type': 'application/json' },
    });
    expect(endpoint.requests[0]!.headers).not.toHaveProperty('proxy-authorization');
    expect([...worker.stdout, ...worker.stderr].join()).not.toContain('s3cret');
  });

  it('gets no requests for forbidden addresses and ports', async () => {
    const [scene, proxy] = [await openScene(), await startProxy({ status: 502 })];
    const ALLOWED_PORTS = '80';
    await scene.startWorker({
      EGRESS_PROXY: `http://127.0.0.1:${proxy.port}`,
      ALLOWED_PRIVATE_CIDRS: '',
      ALLOWED_PORTS,
    });
    const urls = [
      'http://127.0.0.1/',
      'http://[::ffff:10.0.0.1]/',
      'http://localhost/',
      'http://name.test:81/',
    ];
    for (const webhook_url of urls) {
      const { header } = await deadLetterOf(scene, await scene.publish({ webhook_url }));
      expect(header.get('Webhook-Dead-Letter-Reason'), webhook_url).toBe('forbidden');
    }
    expect(proxy.connects).toEqual([]);
  });

  it('that refuses an endpoint makes the attempt fail, and the dead letter names the status of the proxy', async () => {
    const [scene, proxy] = [await openScene(), await startProxy({ status: 403 })];
    await scene.startWorker({
      EGRESS_PROXY: `http://127.0.0.1:${proxy.port}`,
      MAX_ATTEMPTS: '2',
      BACKOFF_BASE_MS: '10',
    });
    const { header } = await deadLetterOf(scene, await scene.publish({ webhook_url: 'http://name.test/' }));
    expect(header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
    expect(header.get('Webhook-Dead-Letter-Detail')).toContain('Proxy response (403)');
    expect(proxy.connects.length).toBe(2);
  });

  it('that refuses the login makes deliveries wait: no attempt is counted, and the log names the cure', async () => {
    const [scene, endpoint, proxy] = [
      await openScene(),
      await startEndpoint(),
      await startProxy({ status: 407 }),
    ];
    const worker = await scene.startWorker({
      EGRESS_PROXY: `http://ann:s3cret@127.0.0.1:${proxy.port}`,
      MAX_ATTEMPTS: '1',
    });
    const sequence = await scene.publish({ webhook_url: 'http://name.test/' });
    await worker.waitForLine(
      /EGRESS_PROXY refuses the login of the worker \(407\): correct the user and the password/,
    );
    proxy.answer.port = endpoint.port;
    expect(await scene.deliveryOf(sequence, 'delivered')).toMatchObject({ attempts: 1 });
    expect([...worker.stdout, ...worker.stderr].join()).not.toContain('s3cret');
  });

  it('that is away makes deliveries wait: no attempt is counted', async () => {
    const [scene, endpoint, port] = [await openScene(), await startEndpoint(), await freePort()];
    const worker = await scene.startWorker({ EGRESS_PROXY: `http://127.0.0.1:${port}`, MAX_ATTEMPTS: '1' });
    const sequence = await scene.publish({ webhook_url: 'http://name.test/' });
    await worker.waitForLine(/EGRESS_PROXY cannot be reached\. Deliveries wait.*worker\.local_fault/);
    await startProxy({ port: endpoint.port }, port);
    expect(await scene.deliveryOf(sequence, 'delivered')).toMatchObject({ attempts: 1 });
  });
});
