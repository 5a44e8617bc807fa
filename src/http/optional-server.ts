import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Route } from '../runtime/route.ts';
import type { Service } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { HttpServer } from './server.ts';

/** How long a stop waits for open requests, in milliseconds. After it, the stop goes on without them. */
const CLOSE_MS = 5000;

export interface OptionalServer extends Service {
  /** Null if none is open. */
  readonly port: number | null;
}

export type OptionalServerOptions = {
  /** 0: no server. */
  readonly port: number;
  /** @default all addresses of this machine */
  readonly host?: string | undefined;
  readonly log: Logger;
  /** What goes on without the server, and what does not. */
  readonly hint: string;
};

/** A server that the program can do without: if its port is in use, that is logged, and the program goes on. */
export function optionalServer(
  { port, host, log, hint }: OptionalServerOptions,
  routes: readonly Route[],
): OptionalServer {
  let server: HttpServer | null = null;
  return {
    name: 'http server',
    get port() {
      return server?.port ?? null;
    },
    async start() {
      if (port === 0) return;
      const wanted = new HttpServer({ port, log, ...(host !== undefined && { host }) }, routes);
      try {
        await wanted.start();
        server = wanted;
      } catch (error) {
        log.error({ port, error: errorMessage(error), hint }, 'http.listen_failed');
      }
    },
    async stop() {
      await withTimeout(CLOSE_MS, Promise.resolve(server?.stop()));
    },
  };
}
