import type { Settings } from '../config/settings.ts';
import { type OptionalServer, optionalServer } from '../http/optional-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { json, type Route } from '../runtime/route.ts';
import type { AssembledWorker } from './assemble/worker.ts';

const WITHOUT_HEALTH = 'The worker delivers, but does not serve /health.';

/** Serves /health and the given routes on HTTP_PORT. If the port is in use, the worker delivers without them. */
export function createHealthServer(
  { HTTP_PORT: port }: Settings,
  log: Logger,
  worker: AssembledWorker,
  routes: readonly Route[],
  host?: string,
): OptionalServer {
  return optionalServer({ port, host, log, hint: WITHOUT_HEALTH }, [healthRoute(worker), ...routes]);
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
