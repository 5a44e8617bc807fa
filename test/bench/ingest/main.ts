import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readSettings } from '../../../src/config/settings.ts';
import { composeApiKey, RANDOM_BYTES } from '../../../src/core/access/api-key.ts';
import { PAYMENTS_SOURCE } from '../../../src/core/source/payments.ts';
import { freePort } from '../../../src/embedded/process/ports.ts';
import { type Command, parseFlags, wholeNumberFlag } from '../../../src/runtime/command.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { type Column, textTable } from '../../../src/runtime/text-table.ts';
import { machine } from '../../support/machine.ts';
import { runTool } from '../../support/tool.ts';
import { cpuSeconds, startBenchProcess } from '../process.ts';
import { type BenchServers, startBenchServers } from '../servers.ts';
import { inherited, OUR_PROGRAM } from '../variants.ts';
import { load } from './client.ts';

/** The size of a usual webhook: with its headers, 313 bytes are stored. */
const BODY = JSON.stringify({
  event_id: 'evt_12345',
  type: 'payment.completed',
  amount: '5000',
  currency: 'NGN',
  occurred_at: '2026-01-10T12:00:00Z',
  note: 'x'.repeat(160),
});
const ITEMS = 100;
const BATCH = JSON.stringify(
  Array.from({ length: ITEMS }, () => ({ endpoint: 'payments', data: JSON.parse(BODY) })),
);
const JSON_TYPE = { 'content-type': 'application/json' };
const KEY = composeApiKey(randomBytes(RANDOM_BYTES));
const SECRET = randomBytes(32).toString('hex');
/** A key and a signature are needed, and the schema is that of the payments. Without an idempotency key: the same body is sent again. */
const CHECKED_SOURCE = {
  signature: 'hmac',
  secrets: [SECRET],
  key_required: true,
  schema: PAYMENTS_SOURCE.schema,
};

type Server = 'bare' | 'open' | 'checked';
type Row = {
  readonly name: string;
  readonly server: Server;
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expected: number;
  /** Webhooks in one request. */
  readonly items: number;
  readonly connections: number;
};
const ONE = {
  path: '/webhooks/payments',
  body: BODY,
  headers: JSON_TYPE,
  expected: 202,
  items: 1,
  connections: 64,
};
const ROWS: readonly Row[] = [
  { ...ONE, name: 'bare fastify', server: 'bare' },
  { ...ONE, name: 'POST /webhooks/{name}', server: 'open' },
  {
    ...ONE,
    name: '… with key, HMAC and schema',
    server: 'checked',
    headers: {
      ...JSON_TYPE,
      authorization: `Bearer ${KEY}`,
      'x-webhook-signature': createHmac('sha256', SECRET).update(BODY).digest('hex'),
    },
  },
  {
    name: `batch of ${ITEMS}`,
    server: 'open',
    path: '/webhooks/batch',
    body: BATCH,
    headers: JSON_TYPE,
    expected: 200,
    items: ITEMS,
    connections: 8,
  },
];

/** How long each row runs before it is measured, in milliseconds: a server is compiled after ten thousands of requests. */
const WARM_UP_MS = 15_000;

type Figures = {
  readonly perSecond: number;
  readonly cpu: number;
  readonly natsCpu: number;
  readonly p50: number;
  readonly p99: number;
};

const command: Command = {
  summary: 'measures the HTTP API against a bare fastify',
  help: `
Usage: bench:ingest -- [flags]

  --seconds N   how long each row is measured in a round, 1 to 60 (default 3)
  --rounds N    1 to 20 (default 5)

Starts a nats-server with temporary data, an API in open mode and one that checks an API key, an HMAC and a JSON Schema, both without
PostgreSQL, and a fastify that answers 202 and stores nothing. A client in this process sends requests of ${BODY.length} bytes. Prints the median of the rounds: webhooks per second, CPU
seconds of the server and of nats-server for 10 000 webhooks, and latencies.
`,
  async run(args) {
    const { values } = parseFlags({
      args,
      options: { seconds: { type: 'string', default: '3' }, rounds: { type: 'string', default: '5' } },
    });
    const milliseconds = 1000 * wholeNumberFlag('seconds', values.seconds, 1, 60);
    const rounds = wholeNumberFlag('rounds', values.rounds, 1, 20);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const servers = await startBenchServers(readSettings(), false, say);
    const folder = await mkdtemp(join(tmpdir(), 'bench-ingest-'));
    await writeFile(join(folder, 'payments.json'), JSON.stringify(CHECKED_SOURCE));
    const [bare, open, checked] = await Promise.all([
      startBare(),
      startApi(servers, { API_AUTH: 'open' }),
      startApi(servers, { API_KEYS: KEY, SOURCES_DIR: folder }),
    ]);
    const started: Readonly<Record<Server, typeof open>> = { bare, open, checked };
    try {
      const found = new Map<string, Figures[]>();
      for (let round = 0; round <= rounds; round++) {
        say(round === 0 ? 'warm-up' : `round ${round} of ${rounds}`);
        for (const row of ROWS) {
          const server = started[row.server];
          const before = [cpuSeconds(server.pid) ?? 0, cpuSeconds(servers.natsPid) ?? 0] as const;
          const seen = await Promise.race([
            load(
              {
                url: server.url,
                path: row.path,
                body: row.body,
                headers: row.headers,
                connections: row.connections,
                milliseconds: round === 0 ? WARM_UP_MS : milliseconds,
              },
              row.expected,
            ),
            server.failed,
          ]);
          if (seen.others > 0)
            throw new UserError(
              `${row.name}: ${seen.others} requests were not answered with ${row.expected}.`,
            );
          const webhooks = seen.requests * row.items;
          const per10k = (seconds: number) => (seconds / webhooks) * 10_000;
          const figures = {
            perSecond: webhooks / seen.seconds,
            cpu: per10k((cpuSeconds(server.pid) ?? 0) - before[0]),
            natsCpu: per10k((cpuSeconds(servers.natsPid) ?? 0) - before[1]),
            p50: seen.p50,
            p99: seen.p99,
          };
          if (round > 0) found.set(row.name, [...(found.get(row.name) ?? []), figures]);
        }
      }
      print(found);
      return 0;
    } finally {
      await Promise.all([bare.stop(), open.stop(), checked.stop()]);
      await servers.stop();
      await rm(folder, { recursive: true });
    }
  },
};

async function startBare() {
  const port = await freePort();
  const file = new URL('./bare.js', import.meta.url);
  return started('bare fastify', port, startBenchProcess('bare fastify', file, [String(port)], inherited()));
}

async function startApi({ settings }: BenchServers, auth: Readonly<Record<string, string>>) {
  const port = await freePort();
  const env = {
    ...inherited(),
    NATS_URL: settings.NATS_URL.join(','),
    DATABASE_URL: 'postgresql://127.0.0.1:1/none',
    ...auth,
    PORT: String(port),
    ADMIN_PORT: '0',
    LOG_LEVEL: 'error',
    LOG_FORMAT: 'json',
  };
  return started('api', port, startBenchProcess('api', pathToFileURL(resolve(OUR_PROGRAM)), ['api'], env));
}

const LOOK_EVERY_MS = 50;

/** Resolves when the server answers. */
async function started<T extends { readonly failed: Promise<never> }>(name: string, port: number, server: T) {
  const url = `http://127.0.0.1:${port}`;
  const isUp = async () => {
    for (;;) {
      if (await fetch(`${url}/health`).catch(() => null)) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  };
  await Promise.race([isUp(), server.failed]);
  process.stderr.write(`${name} answers\n`);
  return { ...server, url };
}

function print(found: ReadonlyMap<string, readonly Figures[]>): void {
  const median = (numbers: readonly number[]) =>
    [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
  const of = (name: string, key: keyof Figures) => median((found.get(name) ?? []).map((each) => each[key]));
  const bareCpu = of(ROWS[0]!.name, 'cpu');
  const columns: Column[] = [
    '',
    'webhooks/s',
    'server CPU s/10k',
    'to bare',
    'nats CPU s/10k',
    'p50 ms',
    'p99 ms',
  ].map((name, index): Column => ({ name, align: index === 0 ? 'left' : 'right' }));
  const rows = ROWS.map(({ name }) => [
    name,
    Math.round(of(name, 'perSecond')).toString(),
    of(name, 'cpu').toFixed(2),
    (of(name, 'cpu') / bareCpu).toFixed(2),
    of(name, 'natsCpu').toFixed(2),
    of(name, 'p50').toFixed(1),
    of(name, 'p99').toFixed(1),
  ]);
  process.stdout.write(`${machine()}\n\n${textTable(columns, rows)}\n`);
}

await runTool('bench:ingest', command);
