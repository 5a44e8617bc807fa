import { join } from 'node:path';
import type { RunningServers } from '../../embedded/files/running-servers.ts';
import { shellQuote } from '../../runtime/invocation.ts';
import { HOME_FOLDER, IS_INSTALLED, PACKAGE_ROOT } from '../../runtime/package-root.ts';

/** How pasted lines call the program, from any folder. */
export const PROGRAM = `node ${shellQuote(join(PACKAGE_ROOT, 'dist', 'main.js'))}`;
/** An installed package finds the servers of `up` by the folder in which `up` runs. */
const IN_FOLDER = IS_INSTALLED ? `cd ${shellQuote(HOME_FOLDER)} && ` : '';

/** The payload of the first request to the API. */
const PAYMENT =
  '{"event_id":"evt_1","type":"payment.completed","amount":"5000","currency":"NGN","occurred_at":"2026-01-10T12:00:00Z"}';

type Facts = {
  /** The preferred port of each part. None for a server that `up` did not start. */
  readonly ports: { readonly [name in 'nats' | 'postgres' | 'receiver' | 'page' | 'api']?: number };
  /** How old the statistics may be, in milliseconds. */
  readonly statsDelayMs: number;
  readonly apiUrl: string;
  /** Null: the API needs none. */
  readonly apiKey: string | null;
  /** The line that starts a second worker. */
  readonly secondWorker: string;
};

/** Tells a new user the next steps: the URLs of the servers, and lines that work when they are pasted, in any folder. */
export function guide({ natsUrl, databaseUrl, receiverUrl, httpUrl }: RunningServers, facts: Facts): string {
  const { ports, statsDelayMs, apiUrl, apiKey, secondWorker } = facts;
  const keyHeader = apiKey === null ? '' : ` -H 'Authorization: Bearer ${apiKey}'`;
  const program = `${IN_FOLDER}${PROGRAM}`;
  return `
Your first webhook went through NATS and was delivered: the line "received" above.

  NATS        ${natsUrl}${elsewhere(natsUrl, ports.nats)}
  PostgreSQL  ${databaseUrl}${elsewhere(databaseUrl, ports.postgres)}
  Receiver    ${receiverUrl}   prints each request here${elsewhere(receiverUrl, ports.receiver)}
  API         ${apiUrl}${elsewhere(apiUrl, ports.api)}
  Page        ${httpUrl === '' ? 'off (HTTP_PORT=0)' : `${httpUrl}/${elsewhere(httpUrl, ports.page)}`}

Paste these in another terminal (statistics are written every ${statsDelayMs / 1000} s):

  curl ${apiUrl}/webhooks/payments${keyHeader} -H 'Content-Type: application/json' -H 'Idempotency-Key: evt_1' -d '${PAYMENT}'
  ${program} publish --url ${receiverUrl}/hello --data '{"hello":"world"}'
  ${program} stats
  ${program} sql "SELECT delivery_id, status, attempts, url FROM nats_deliveries"

This line starts a second worker, which shares the work of the first one (the line holds the passwords):

  ${secondWorker}

Ctrl-C stops everything. The data stays for the next start.
`;
}

function elsewhere(url: string, wanted: number | undefined): string {
  return wanted === undefined || new URL(url).port === String(wanted) ? '' : `   (port ${wanted} is in use)`;
}
