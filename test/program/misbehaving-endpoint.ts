import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEndOfFile } from '../support/end-of-file.ts';

export interface MisbehavingEndpoint {
  readonly url: string;
  /** When which requests came, in their order. */
  readonly requests: readonly { readonly path: string; readonly at: number; readonly webhookId: string }[];
  /** From now on, requests that hang are answered, and later ones at once. */
  recover(): void;
}

/**
 * An endpoint that does what its path says: `/status/418`, `/redirect`, `/reset`, `/hang` until it recovers (and from then on
 * `/hang/418` does as `/status/418`), or `/busy`, which asks the first time to be left alone for a second.
 */
export async function startMisbehavingEndpoint(): Promise<MisbehavingEndpoint> {
  const requests: { path: string; at: number; webhookId: string }[] = [];
  const hanging = new Set<ServerResponse>();
  let recovered = false;

  const server = createServer((request, response) => {
    const path = request.url!.split('?')[0]!;
    const [, what, detail] = path.split('/');
    requests.push({ path, at: performance.now(), webhookId: String(request.headers['webhook-id']) });
    if (what === 'status') response.writeHead(Number(detail)).end();
    else if (what === 'redirect') response.writeHead(302, { location: '/status/200' }).end();
    else if (what === 'reset') request.socket.resetAndDestroy();
    else if (what === 'busy' && requests.length === 1) response.writeHead(503, { 'retry-after': '1' }).end();
    else if (what === 'hang' && !recovered) hanging.add(response);
    else if (what === 'hang' && detail !== undefined) response.writeHead(Number(detail)).end();
    else response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEndOfFile(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    recover() {
      recovered = true;
      for (const response of hanging) response.end();
    },
  };
}
