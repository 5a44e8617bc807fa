import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestHeader } from '../core/request/header-names.ts';
import { MISBEHAVIOURS } from './misbehaviours.ts';

export type MisbehavingRequest = {
  readonly path: string;
  /** On the clock of `performance.now()`. */
  readonly at: number;
  readonly webhookId: string;
  /** Whether it has got a 2xx. */
  readonly answered: boolean;
};

export interface MisbehavingEndpoint {
  readonly url: string;
  /** In the order of their arrival. */
  readonly requests: readonly MisbehavingRequest[];
  /** From now on, requests that hang are answered with 200, and later ones at once. It is there again where it had left. */
  recover(): void;
  /** As at its start. */
  misbehave(): void;
  /** Breaks off what is under way, and refuses connections until it recovers. */
  leave(): void;
  /** Breaks off what is under way. */
  close(): Promise<void>;
}

/**
 * An endpoint that does what its path says, until it recovers: one of `MISBEHAVIOURS`, such as `/status/418`, `/hang` or
 * `/flood/500`, or `/busy`, which asks the first time to be left alone for a second. Other paths are answered with 200,
 * as is all once it has recovered, apart from `/hang/418`, which does as `/status/418` then.
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
    // Where no end is to come, what counts is the status.
    if (name === 'flood' && misbehave !== undefined) noted.answered = detail === '200';
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
