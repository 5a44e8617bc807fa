import type { Settings } from '../config/settings.ts';
import { optionalServer } from '../http/optional-server.ts';
import { connectToNats } from '../nats/connection/connection.ts';
import type { Logger } from '../runtime/logger.ts';
import { json, type Route } from '../runtime/route.ts';
import { ServiceGroup } from '../runtime/service.ts';
import { natsOptions } from '../worker/connections/servers.ts';
import { createRelay, type RelayHealth } from './relay.ts';

const WITHOUT_HEALTH = 'The relay publishes, but does not serve /health.';

export type RunningRelay = {
  /** The port of /health, or null if none is open. */
  readonly httpPort: number | null;
  /** Resolves when the connection to NATS is closed for good, and a reconnect cannot cure that. */
  readonly broken: Promise<Error>;
  health(): RelayHealth;
  stop(): Promise<void>;
};

/**
 * Connects, and publishes the rows of the outbox until it is stopped.
 *
 * @param signal Ends the wait for NATS.
 * @throws {UserError} If the user can cure the problem; the signal's reason if the signal is aborted.
 */
export async function runRelay(settings: Settings, log: Logger, signal: AbortSignal): Promise<RunningRelay> {
  const client = await connectToNats({
    ...natsOptions(settings),
    name: 'nats-webhook-worker relay',
    log,
    signal,
  });
  const relay = createRelay({ settings, log, client });
  const server = optionalServer({ port: settings.HTTP_PORT, log, hint: WITHOUT_HEALTH }, [
    relayHealthRoute('/health', () => relay.health()),
  ]);
  const services = new ServiceGroup('relay', [
    { name: 'nats', start() {}, stop: () => client.close() },
    server,
    relay,
  ]);
  await services.start();
  log.info({ stream: settings.STREAM_NAME, pollMs: settings.OUTBOX_POLL_MS }, 'relay.started');
  return {
    httpPort: server.port,
    broken: client.closed.then((error) => error ?? new Error('the connection to NATS is closed')),
    health: () => relay.health(),
    async stop() {
      await services.stop();
      log.info({ ...relay.counters }, 'relay.stopped');
    },
  };
}

/** @param health Null: the relay has not begun. */
export function relayHealthRoute(path: string, health: () => RelayHealth | null): Route {
  return {
    method: 'GET',
    path,
    async handle() {
      const now = health() ?? { status: 'starting' };
      return json(now.status === 'starting' ? 503 : 200, now);
    },
  };
}
