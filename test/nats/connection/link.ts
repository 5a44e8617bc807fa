import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A TCP proxy to nats-server whose connections can be broken, for one test. */
export async function startLink(port: number) {
  const sockets = new Set<Socket>();
  let swallowing = false;
  let swallowed = 0;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
    near.on('data', (data) => {
      if (swallowing) swallowed += data.length;
      else far.write(data);
    });
    far.on('data', (data) => near.write(data));
  });
  const cut = () => {
    swallowing = false;
    for (const socket of sockets) socket.destroy();
  };
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    cut();
  });
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** From now on, all bytes to the server are lost. */
    swallow: () => {
      swallowing = true;
    },
    /** How many bytes were lost. */
    swallowed: () => swallowed,
    /** Breaks every connection. New connections lose nothing. */
    cut,
  };
}
