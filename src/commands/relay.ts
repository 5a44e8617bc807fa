import { readSettings } from '../config/settings.ts';
import { runRelay } from '../relay/run-relay.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { createLogger } from '../runtime/logger.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { logWarnings } from './connect/setting-warnings.ts';

const LOST = 'The connection to NATS is closed for good, so the relay stops. Start the relay again.';

export const command: Command = {
  summary: 'publishes the webhooks that transactions put into the outbox',
  help: `
Usage: relay

Publishes the rows of rule_nats_outbox (webhook_enqueue) to NATS, and deletes a row once NATS has stored its message. Workers
deliver the messages. Creates missing tables, and starts no server. Any number of relays may run on one database; run one
relay for each database. All settings are environment variables, or lines of a .env file in the working folder;
docs/settings.md lists them. On SIGTERM or Ctrl-C, the batch in progress is finished.

  NATS_URL=nats://localhost:4222 DATABASE_URL=postgresql://… relay
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
      const relay = await runRelay(settings, log, stopping.signal);
      const end = await Promise.race([signal, relay.broken]);
      if (typeof end !== 'string') log.error({ error: end.message, hint: LOST }, 'nats.lost');
      await relay.stop();
      return typeof end === 'string' ? 0 : 1;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      log.info({ signal: await signal }, 'relay.start_cancelled');
      return 0;
    }
  },
};
