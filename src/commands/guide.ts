import { fileURLToPath } from 'node:url';
import type { RunningServers } from '../embedded/running.ts';

/** What a newcomer needs next: where the servers are, and lines that work as they are pasted, from any folder. */
export function guide({ natsUrl, databaseUrl, receiverUrl, httpUrl }: RunningServers): string {
  const program = `node ${quoted(fileURLToPath(new URL('../main.js', import.meta.url)))}`;
  return `
Your first webhook went through NATS and was delivered: the line "received" above.

  NATS        ${natsUrl}
  PostgreSQL  ${databaseUrl}
  Receiver    ${receiverUrl}   prints here what arrives
  Page        ${httpUrl === '' ? 'off (HTTP_PORT=0)' : `${httpUrl}/`}

Paste these in another terminal:

  ${program} publish --url ${receiverUrl}/hello --data '{"hello":"world"}'
  ${program} stats
  ${program} sql "SELECT delivery_id, status, attempts, url FROM nats_deliveries"

Ctrl-C stops everything. The data stays in .data/ for the next start.
`;
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
