import { runRelay } from '../relay/run-relay.ts';
import type { Command } from '../runtime/command.ts';
import { runUntilStopped } from './run/until-stopped.ts';

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
  run: (args) =>
    runUntilStopped(args, {
      start: runRelay,
      logDraining: (log, signal) => log.info({ signal }, 'relay.draining'),
      logCancelled: (log, signal) => log.info({ signal }, 'relay.start_cancelled'),
      lost: LOST,
    }),
};
