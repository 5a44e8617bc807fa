import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createAddressRules } from '../../src/core/endpoint/address.ts';
import type { Delivery } from '../../src/core/message/delivery.ts';
import { parseTarget } from '../../src/core/request/target.ts';
import { createSender, type Sender, type SenderOptions } from '../../src/http/sender.ts';

/** A sender for one test. It may connect to this machine. */
export function senderFor(options: Partial<SenderOptions> = {}): Sender {
  const sender = createSender({
    attemptTimeoutMs: 20_000,
    connectTimeoutMs: 10_000,
    maxResponseBytes: 16_384,
    mostConnections: 1000,
    addressRules: createAddressRules({ allowedCidrs: ['127.0.0.1', '::1'] }),
    userAgent: 'the-worker/1',
    ...options,
  });
  onTestFinished(() => sender.close());
  return sender;
}

export function deliveryTo(url: string, more: Partial<Delivery> = {}): Delivery {
  const result = parseTarget(url, 'webhook_url');
  if (result.kind !== 'target') throw new Error(result.detail);
  const body = Buffer.from('{"n":12345678901234567890, "a":1.0}');
  return {
    id: 'orders:1',
    target: result.target,
    method: 'POST',
    headers: [],
    body,
    endpoint: null,
    ...more,
  };
}

/** A real HTTP server for one test. */
export async function startHttp(answer: RequestListener) {
  const server = createServer(answer);
  let connections = 0;
  server.on('connection', () => connections++);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}/hook`, connections: () => connections };
}

/** A TCP server for one test. It passes each connection to `talk` once the first bytes have arrived. */
export const startTcp = (talk: (socket: Socket, connection: number) => void) =>
  startTcpServer((socket, connection) =>
    socket.once('data', () => {
      socket.resume();
      talk(socket, connection);
    }),
  );

/**
 * Resolves after a request to another endpoint was answered on a new connection. Bytes and connections that were on their way
 * before it began have arrived by then.
 */
export async function roundTrip(): Promise<void> {
  const { url } = await startTcp((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
  await senderFor().send(deliveryTo(url));
}

/** A TCP server for one test, which passes each connection to `onConnection`. */
export async function startTcpServer(onConnection: (socket: Socket, connection: number) => void) {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createTcpServer((socket) => {
    const connection = ++connections;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket, connection);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}/hook`,
    open: () => sockets.size,
    connections: () => connections,
  };
}

/** A forward proxy for one test. It connects every CONNECT to this port of the machine. */
export async function startProxy(port: number) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on('connect', (request: IncomingMessage, near: Socket) => {
    asked.push(request.url!);
    sockets.add(near);
    const far = connect(port, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n');
      near.pipe(far).pipe(near);
    });
    far.on('error', () => near.destroy());
    far.on('close', () => near.destroy());
    near.on('error', () => far.destroy());
    near.on('close', () => far.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** A port of this machine on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A file with this text, for one test. */
export function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'names-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  writeFileSync(path, text);
  return path;
}
