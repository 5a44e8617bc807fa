import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestHeader } from '../core/request/header-names.ts';
import { MISBEHAVIOURS, UNFINISHED } from './misbehaviours.ts';

export type MisbehavingRequest = {
  readonly path: string;
  /** When the request came, on the clock of `performance.now()`. */
  readonly at: number;
  readonly webhookId: string;
  /** True if the request was answered with the status line of a 2xx, whatever followed it. */
  readonly answered: boolean;
};

export interface MisbehavingEndpoint {
  readonly url: string;
  /** In the order of their arrival. */
  readonly requests: readonly MisbehavingRequest[];
  /** Answers hanging requests with 200, and later requests with 200 at once. Accepts connections again after `leave`. */
  recover(): void;
  /** Misbehaves again, as at the start. */
  misbehave(): void;
  /** Breaks all connections, and refuses new ones until `recover`. */
  leave(): void;
  /** Breaks all connections. */
  close(): Promise<void>;
}

/**
 * An endpoint that misbehaves as the path of a request says, until `recover`. A path names one of `MISBEHAVIOURS`, such as
 * `/status/418`, `/hang` or `/flood/500`; or it is `/busy`: the first request gets 503 and a Retry-After of one second. Other
 * paths are answered with 200. After `recover`, all paths are answered with 200, except `/hang/418`, which is answered with 418.
 */
export async function startMisbehavingEndpoint(): Promise<MisbehavingEndpoint> {
  const requests: { path: string; at: number; webhookId: string; answered: boolean }[] = [];
  const hanging = new Set<ServerResponse>();
  let well = false;

  const server = createServer((request, response) => {
    const path = request.url!.split('?')[0]!;
    const [, name = '', detail = ''] = path.split('/');
    const noted = {
      path,
      at: performance.now(),
      webhookId: String(request.headers[RequestHeader.id]),
      answered: false,
    };
    requests.push(noted);
    const misbehave = well ? undefined : MISBEHAVIOURS[name];
    if (misbehave !== undefined && UNFINISHED.has(name))
      noted.answered = name !== 'flood' || detail === '200';
    response.once('finish', () => {
      noted.answered = response.statusCode < 300;
    });
    if (misbehave === MISBEHAVIOURS.hang) hold(response);
    if (misbehave !== undefined) misbehave(request, response, detail);
    else if (name === 'busy' && requests.length === 1) response.writeHead(503, { 'retry-after': '1' }).end();
    else if (name === 'hang' && detail !== '') response.writeHead(Number(detail)).end();
    else response.end();
  });

  function hold(response: ServerResponse): void {
    hanging.add(response);
    response.once('close', () => hanging.delete(response));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const leave = (onClosed: () => void = () => {}) => {
    server.close(() => onClosed());
    server.closeAllConnections();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    recover() {
      well = true;
      for (const response of hanging) response.end();
      if (!server.listening) server.listen(port, '127.0.0.1');
    },
    misbehave() {
      well = false;
    },
    leave: () => leave(),
    close: () => new Promise((resolve) => leave(resolve)),
  };
}
