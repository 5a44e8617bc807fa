import { runApi } from '../api/run-api.ts';
import { readSettings } from '../config/settings.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { createLogger } from '../runtime/logger.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { logWarnings } from './connect/setting-warnings.ts';

const LOST = 'The connection to NATS is closed for good, so the API stops. Start it again.';

export const command: Command = {
  summary: 'takes webhooks by HTTP, and stores them in NATS',
  help: `
Usage: api

Listens on PORT (8080), and answers POST /webhooks/<name> with 202 when NATS has stored the webhook. Workers deliver it.
Every request needs an API key (the command keys, or API_KEYS), unless API_AUTH=open. All settings are environment
variables, or lines of a .env file in the working folder; docs/settings.md lists them, and docs/http-api.md the routes.

  NATS_URL=nats://localhost:4222 DATABASE_URL=postgresql://… api
`,
  async run(args) {
    parseFlags({ args, options: {} });
    const settings = readSettings();
    const log = await createLogger({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
    logWarnings(settings, log);
    const stopping = new AbortController();
    const signal = waitForStopSignal(log);
    void signal.then(() => stopping.abort());

    try {
      const api = await runApi(settings, log, stopping.signal);
      const end = await Promise.race([signal, api.broken]);
      if (typeof end === 'string') log.info({ signal: end }, 'api.draining');
      else log.error({ error: end.message, hint: LOST }, 'nats.lost');
      await api.stop();
      return typeof end === 'string' ? 0 : 1;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      log.info({ signal: await signal }, 'api.start_cancelled');
      return 0;
    }
  },
};
