import { EventEmitter, once } from 'node:events';
import { runApi } from '../api/run-api.ts';
import { readSettings, type Settings } from '../config/settings.ts';
import { overviewRoute } from '../dashboard/overview.ts';
import { openDataFolder } from '../embedded/files/data-folder.ts';
import { CLONE_DATA, removeRunningServers, writeRunningServers } from '../embedded/files/running-servers.ts';
import { freePort } from '../embedded/process/ports.ts';
import { readConsumerStats } from '../postgres/tables/consumer-stats-table.ts';
import { readRecentDeliveries } from '../postgres/tables/deliveries-view.ts';
import { readUnhealthyEndpoints } from '../postgres/tables/endpoint-health-view.ts';
import { startReceiver } from '../receiver/receiver.ts';
import { requestLine } from '../receiver/request-line.ts';
import { runRelay } from '../relay/run-relay.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { errorMessage } from '../runtime/failure.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { outputClosed } from '../runtime/output.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { runWorker } from '../worker/run-worker.ts';
import { logWarnings } from './connect/setting-warnings.ts';
import { ENDPOINTS_SHOWN } from './stats/endpoints-view.ts';
import { deliverFirst } from './up/first-delivery.ts';
import { guide, PROGRAM } from './up/guide.ts';
import { secondWorkerLine } from './up/second-worker.ts';
import { type StartedPart, startServers } from './up/servers.ts';
import { putTrialEndpoint, trialApiSettings } from './up/trial-api.ts';

const RECEIVER_PORT = 9000;
/** The networks of the receiver. */
const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const BODY_BYTES_SHOWN = 120;
const DELIVERIES_SHOWN = 20;

export const command: Command = {
  summary: 'runs everything with one command, with its own NATS and PostgreSQL (npm start)',
  help: `
Usage: up [--fresh]

  --fresh   remove the data of an earlier start first: all messages, tables and statistics in .data/

Starts a nats-server, a PostgreSQL, a worker named webhook-worker-1, the HTTP API, a relay of the outbox (webhook_enqueue), and
a receiver that prints each request. Then delivers one webhook to the receiver, and prints the next steps, with a line that starts a second worker. The data is in
.data/ of the clone, or of the working folder if the package is installed. If NATS_URL or DATABASE_URL is set, the command
uses that server and starts none of its kind. The ports are 4222, 5432, 8080 (API), 8082 (page) and 9000 if they are free,
else other ports. The API needs no key, and only this machine reaches it. If API_AUTH=keys is set, the line that the command
prints for the API has a key, which is valid until the command ends. The endpoint payments is the receiver, with the source that
checks payments.
Ctrl-C stops everything. Use this command for trials and for development: its worker may deliver to loopback addresses.
`,
  async run(args) {
    const { values } = parseFlags({ args, options: { fresh: { type: 'boolean', default: false } } });
    const given = readSettings();
    const log = await createLogger({ level: given.LOG_LEVEL, format: given.LOG_FORMAT ?? 'pretty' });
    logWarnings(given, log);
    const stopping = new AbortController();
    const signal = Promise.race([waitForStopSignal(log), outputClosed()]);
    void signal.then(() => stopping.abort());
    const started: StartedPart[] = [];
    try {
      const folder = await openDataFolder(CLONE_DATA);
      started.push({ what: 'data folder', stop: () => folder.release() });
      if (values.fresh) await folder.empty();
      const { broken } = await startAll(given, log, stopping.signal, started);
      const end = await Promise.race([signal, broken]);
      if (typeof end === 'string') return 0;
      log.error(
        { error: end.message, hint: 'A server has ended, so all parts stop. Run the command again.' },
        'up.broken',
      );
      return 1;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      return 0;
    } finally {
      // If only the folder is open, there is nothing worth a line.
      if (started.length > 1) print('Stopping.');
      for (const { what, stop } of started.reverse()) {
        await stop().catch((error) => log.error({ what, error: errorMessage(error) }, 'up.stop_failed'));
      }
    }
  },
};

/** Resolves when everything runs. `broken` resolves with the error that ends a part later. */
async function startAll(
  given: Settings,
  log: Logger,
  signal: AbortSignal,
  started: StartedPart[],
): Promise<{ readonly broken: Promise<Error> }> {
  const { portsWanted, ended, ...servers } = await startServers(given, started, signal, print);
  const arrivals = new EventEmitter();
  const receiver = await startReceiver({ port: await freePort(RECEIVER_PORT) }, (request) => {
    print(`received  ${requestLine(request, BODY_BYTES_SHOWN)}`);
    if (request.webhookId !== undefined) arrivals.emit(request.webhookId);
  });
  started.push({ what: 'receiver', stop: () => receiver.close() });

  const settings: Settings = {
    ...given,
    ...servers,
    CONSUMER_NAME: given.isSet('CONSUMER_NAME') ? given.CONSUMER_NAME : 'webhook-worker-1',
    HTTP_PORT: given.HTTP_PORT === 0 ? 0 : await freePort(given.HTTP_PORT),
  };
  const worker = await runWorker(settings, log, signal, {
    alsoAllowedCidrs: LOOPBACK,
    // The page shows webhooks without any login, so only this machine may open it.
    httpHost: '127.0.0.1',
    routes: (pool, { health }) => [
      overviewRoute({
        health: () => health().status,
        workers: () => readConsumerStats(pool, settings.STREAM_NAME),
        unhealthyEndpoints: () => readUnhealthyEndpoints(pool, settings.STREAM_NAME, ENDPOINTS_SHOWN),
        recentDeliveries: () => readRecentDeliveries(pool, DELIVERIES_SHOWN),
      }),
    ],
  });
  started.push({ what: 'worker', stop: () => worker.stop() });
  const relay = await runRelay({ ...settings, HTTP_PORT: 0 }, log, signal);
  started.push({ what: 'relay', stop: () => relay.stop() });

  await putTrialEndpoint(settings.DATABASE_URL, receiver.url);
  const trial = await trialApiSettings(settings);
  const api = await runApi(trial.settings, log, signal);
  started.push({ what: 'api', stop: () => api.stop() });

  const urls = {
    natsUrl: settings.NATS_URL.join(','),
    databaseUrl: settings.DATABASE_URL,
    receiverUrl: receiver.url,
    httpUrl: worker.httpPort === null ? '' : `http://127.0.0.1:${worker.httpPort}`,
  };
  await writeRunningServers(urls);
  started.push({ what: 'note of the servers', stop: () => removeRunningServers() });
  const arrived = (id: string) => once(arrivals, id, { signal }).then(() => undefined);
  await deliverFirst(settings, receiver.url, arrived, log, signal);
  const statsDelayMs = settings.STATS_INTERVAL_MS;
  print(
    guide(urls, {
      ports: { ...portsWanted, receiver: RECEIVER_PORT, page: given.HTTP_PORT, api: given.PORT },
      statsDelayMs,
      apiUrl: `http://127.0.0.1:${api.port}`,
      apiKey: trial.key,
      secondWorker: secondWorkerLine(settings, LOOPBACK, PROGRAM),
    }),
  );
  return { broken: Promise.race([worker.broken, relay.broken, api.broken, ended]) };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
