import type pg from 'pg';
import { createSampleInvoices } from '../postgres/tables/sample-invoices-table.ts';
import type { Command } from '../runtime/command.ts';
import { withDatabase, withTables } from './connect/open-database.ts';
import { openNats } from './connect/open-nats.ts';
import { commandSettings } from './connect/tool-settings.ts';
import { readLoadFlags } from './load/flags.ts';
import { WRITERS } from './load/outbox-way.ts';
import { runLoad } from './load/run.ts';

export const command: Command = {
  summary: 'simulates publishers: sends webhooks at a rate, and counts what arrives',
  help: `
Usage: load [flags]
       load sample payments | credits | invoices [flags]

A sample makes events as payment providers and credit systems send them, one in 30 s until Ctrl-C, for the row of rule_webhooks
of this name. The flags change that. \`invoices\` writes invoices to the table sample_invoices, and their events to the outbox, in one
transaction each. Each business has an endpoint of its own: the row invoices-acme, or ‹URL›/acme. The events of one invoice
arrive in order.

Where the webhooks go, one of these:
  --receiver        an endpoint of its own, which counts what arrives, by webhook-id
  --url URL         an endpoint of yours. What arrives there is not counted
  --name NAME       the payload alone, to webhooks.NAME: workers send it to the rows of rule_webhooks that match

How they are handed over:
  --via WAY         nats: published to NATS (default). http: by the HTTP API, each with an Idempotency-Key. A request that is
                    answered with 503 counts as refused. A request that is answered with 504 is repeated under its key.
                    outbox: a row of the outbox in DATABASE_URL, each in a transaction of its own. A relay must run
  --api URL         the HTTP API (default http://127.0.0.1:8080)
  --api-key KEY     an API key, unless the API is open (default API_KEY, which does not show in the process list).
                    --receiver and --url need a key that may name URLs
  --rollback SHARE  by the outbox: the share of the transactions that are rolled back, such as 0.3 (default 0). Their
                    webhooks must never arrive

What is sent when:
  --rate RATE       messages per second, up to 100000 (2000), or the time from one to the next (30s) (default 100). Messages
                    are sent when they are due, however slow the service is, and latency counts from then
  --count N         how many messages, up to 1000000
  --duration TIME   for how long (default 10s, unless --count or --file is given)
  --burst N         how many messages are due at the same time, at the same average rate: 50, or at random 1..100 (default 1)
  --size BYTES      the size of each payload, from 64: 300, or at random 200..4000 (default 300)
  --seed N          repeats the bursts, the sizes and the payloads of an earlier run (default: random; printed)
  --file PATH       the payloads: a folder of .json files, or a file with one event per line (-: standard input). Each
                    event once, or again and again until --count or --duration is reached

The receiver:
  --host ADDRESS    address to listen on (default 127.0.0.1)
  --port N          port to listen on; 0: any free port (default 0)
  --receiver-url URL  the URL under which workers reach it, if that is another one
  --delay-ms N      wait before each answer, in milliseconds or as 2s (default 0)
  --fail-first N    answer the first N attempts of each webhook with 500 (default 0)

The end:
  --wait TIME       how long no request may come before missing webhooks count as lost (default 90s)
  --verify          exit code 1 unless every message is accounted for; the missing ids are printed. Needs --receiver
  --json            print the result as one line of JSON, for programs

At the end a table says what was sent, delivered, doubled and lost, and how long the webhooks took from when they were due to
their receipt. A worker must run, and --receiver needs its address in ALLOWED_PRIVATE_CIDRS of the workers, as it is in the
worker of \`npm start\`. Servers: NATS_URL; if it is not set, the servers of a running \`npm start\` of this clone.

  load --rate 2000 --duration 20s --receiver --verify
  load --rate 200 --burst 1..100 --size 200..4000 --receiver --seed 7
  load sample invoices --rate 30s --rollback 0.3
`,
  async run(args) {
    const flags = await readLoadFlags(args);
    const settings = commandSettings();
    const client = await openNats(settings, 'nats-webhook-worker load');
    const { DATABASE_URL } = settings;
    try {
      if (flags.sample === 'invoices') await withTables(DATABASE_URL, createSampleInvoices);
      if (flags.via !== 'outbox') return await runLoad(flags, { settings, client, pool: null });
      const run = (pool: pg.Pool) => runLoad(flags, { settings, client, pool });
      return await withDatabase(DATABASE_URL, run, WRITERS + 1);
    } finally {
      await client.close();
    }
  },
};
