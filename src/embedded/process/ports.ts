import { createServer } from 'node:net';

/**
 * Returns `preferred` if no program listens on this port at any address of this machine, else any free port.
 * @param preferred 0: any free port
 */
export async function freePort(preferred = 0): Promise<number> {
  if (preferred !== 0 && (await isFree(preferred))) return preferred;
  for (;;) {
    const port = await listenOn('127.0.0.1', 0);
    if (port !== undefined && (await isFree(port))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  // A server on one address does not stop another one from listening on the other addresses, so each address is tested.
  for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
    if ((await listenOn(host, port)) === undefined) return false;
  }
  return true;
}

/** Listens for a moment, and returns the port. Undefined if the port is in use. A missing address family counts as free. */
function listenOn(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL' ? port : undefined),
    );
    server.listen({ host, port, ipv6Only: host === '::' }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
