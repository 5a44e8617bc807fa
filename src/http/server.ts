import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestHeader } from '../core/request/header-names.ts';
import { errorCode, errorMessage, UserError } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { json, type Reply, type Route } from '../runtime/route.ts';
import type { Service } from '../runtime/service.ts';

export type HttpServerOptions = {
  /** 0: any free port. */
  readonly port: number;
  /** @default all addresses, so that an orchestrator can read the health. */
  readonly host?: string;
  readonly log: Logger;
};

/** Serves routes with `node:http`. */
export class HttpServer implements Service {
  readonly name = 'http server';
  readonly #options: HttpServerOptions;
  readonly #server: Server;

  constructor(options: HttpServerOptions, routes: readonly Route[]) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      const path = request.url?.split('?', 1)[0];
      const route = routes.find((candidate) => candidate.path === path);
      const isGet = request.method === 'GET' || request.method === 'HEAD';
      // For HEAD, node:http leaves out the body.
      if (route === undefined) write(response, json(404, { error: `there is nothing at ${path}` }));
      else if (!isGet) write(response, json(405, { error: `${path} accepts only GET` }));
      else void this.#answer(route, response);
    });
  }

  /** The port that the server listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** @throws {UserError} if the port is in use, or needs more rights. */
  start(): Promise<void> {
    const { port, host } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(cannotListen(port, error)));
      this.#server.listen(port, host, resolve);
    });
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(route: Route, response: ServerResponse): Promise<void> {
    try {
      write(response, await route.handle());
    } catch (error) {
      this.#options.log.error({ error: errorMessage(error), path: route.path }, 'http.request_failed');
      write(response, json(500, { error: 'the request failed; the log of the server says why' }));
    }
  }
}

function write(response: ServerResponse, { status, type, body }: Reply): void {
  response.writeHead(status, {
    [RequestHeader.contentType]: type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

function cannotListen(port: number, error: NodeJS.ErrnoException): UserError {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new UserError(`HTTP_PORT: port ${port} is in use. Set another one, or 0 for none.`);
    case 'EACCES':
      return new UserError(`HTTP_PORT: port ${port} needs more rights. Set one from 1024 on, or 0 for none.`);
    default:
      return new UserError(`HTTP_PORT: cannot listen on port ${port}: ${errorMessage(error)}.`, {
        cause: error,
      });
  }
}
