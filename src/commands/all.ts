import { runApi } from '../api/run-api.ts';
import { requireDifferentPorts } from '../config/ports.ts';
import type { Settings } from '../config/settings.ts';
import { type RunningRelay, relayHealthRoute, runRelay } from '../relay/run-relay.ts';
import type { Command } from '../runtime/command.ts';
import type { Logger } from '../runtime/logger.ts';
import { ServiceGroup } from '../runtime/service.ts';
import { runWorker } from '../worker/run-worker.ts';
import { type RunningProgram, runUntilStopped } from './run/until-stopped.ts';

const LOST = 'The connection to NATS is closed for good, so all parts stop. Start the program again.';

export const command: Command = {
  summary: 'runs api, relay and worker in one process, on your servers',
  help: `
Usage: all

Takes webhooks by HTTP (see api), publishes those that transactions put into the outbox (see relay), and delivers them (see
worker). Starts no server. All settings are environment variables, or lines of a .env file in the working folder;
docs/settings.md lists them. HTTP_PORT serves /health of the worker, and /health/relay. On SIGTERM or Ctrl-C, requests under
way are answered first, and then attempts in flight may finish (SHUTDOWN_DRAIN_MS).

  NATS_URL=nats://localhost:4222 DATABASE_URL=postgresql://… all
`,
  run: (args) =>
    runUntilStopped(args, {
      start: startAll,
      logDraining: (log, signal) => log.info({ signal }, 'all.draining'),
      logCancelled: (log, signal) => log.info({ signal }, 'all.start_cancelled'),
      lost: LOST,
    }),
};

/** One after the other: each makes what is missing for the next one. The worker has HTTP_PORT. */
async function startAll(settings: Settings, log: Logger, signal: AbortSignal): Promise<RunningProgram> {
  const { PORT, ADMIN_PORT, HTTP_PORT } = settings;
  requireDifferentPorts({ PORT, ADMIN_PORT, HTTP_PORT });
  let relay: RunningRelay | null = null;
  const routes = () => [relayHealthRoute('/health/relay', () => relay?.health() ?? null)];
  const broken: Promise<Error>[] = [];
  const part = (name: string, start: () => Promise<RunningProgram>) => {
    let running: RunningProgram | null = null;
    return {
      name,
      async start() {
        running = await start();
        broken.push(running.broken);
      },
      stop: () => running?.stop(),
    };
  };
  const parts = new ServiceGroup('all', [
    part('worker', () => runWorker(settings, log, signal, { routes })),
    part('relay', async () => {
      relay = await runRelay({ ...settings, HTTP_PORT: 0 }, log, signal);
      return relay;
    }),
    part('api', () => runApi(settings, log, signal)),
  ]);
  await parts.start();
  log.info({}, 'all.started');
  return { broken: Promise.race(broken), stop: () => parts.stop() };
}
