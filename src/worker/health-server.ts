import type { Settings } from '../config/settings.ts';
import { HttpServer } from '../http/server.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { json, type Route } from '../runtime/route.ts';
import type { Service } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import type { AssembledWorker } from './assemble/worker.ts';

/** How long a stop waits for open requests, in milliseconds. After it, the stop goes on without them. */
const CLOSE_MS = 5000;
const WITHOUT_HEALTH = 'The worker delivers, but does not serve /health.';

export interface HealthServer extends Service {
  /** Null if none is open. */
  readonly port: number | null;
}

/** Serves /health and the given routes on HTTP_PORT. If the port is in use, the worker delivers without them. */
export function createHealthServer(
  settings: Settings,
  log: Logger,
  worker: AssembledWorker,
  routes: readonly Route[],
  host?: string,
): HealthServer {
  const { HTTP_PORT: port } = settings;
  let server: HttpServer | null = null;
  return {
    name: 'health server',
    get port() {
      return server?.port ?? null;
    },
    async start() {
      if (port === 0) return;
      const wanted = new HttpServer({ port, log, ...(host !== undefined && { host }) }, [
        healthRoute(worker),
        ...routes,
      ]);
      try {
        await wanted.start();
        server = wanted;
      } catch (error) {
        log.error({ port, error: errorMessage(error), hint: WITHOUT_HEALTH }, 'http.listen_failed');
      }
    },
    async stop() {
      await withTimeout(CLOSE_MS, Promise.resolve(server?.stop()));
    },
  };
}

function healthRoute(worker: AssembledWorker): Route {
  const { health, configuration, slots, admission, deferred, reader, dispatcher } = worker;
  return {
    method: 'GET',
    path: '/health',
    async handle() {
      const { status, troubles } = health();
      const serves = status === 'ok' || status === 'degraded';
      return json(serves ? 200 : 503, {
        status,
        troubles,
        configuration: configuration.findings.map(({ sentence }) => sentence),
        slots: { busy: slots.busy(), free: slots.free(), waiting: admission.waiting },
        setAside: deferred.count,
        ordered: { pending: reader.pending, waiting: dispatcher.waiting },
      });
    },
  };
}
