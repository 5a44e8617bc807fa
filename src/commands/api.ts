import { runApi } from '../api/run-api.ts';
import type { Command } from '../runtime/command.ts';
import { runUntilStopped } from './run/until-stopped.ts';

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
  run: (args) =>
    runUntilStopped(args, {
      start: runApi,
      logDraining: (log, signal) => log.info({ signal }, 'api.draining'),
      logCancelled: (log, signal) => log.info({ signal }, 'api.start_cancelled'),
      lost: LOST,
    }),
};
