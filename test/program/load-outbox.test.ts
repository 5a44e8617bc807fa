import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type RunningProgram, runCommand, runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { loadCommands, NEEDS_RELAY } from './manual.ts';
import { openScene, type Scene, startEndpoint } from './scene.ts';

/** The manual says that its commands run in this folder. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let scene: Scene;

const startLoad = (...flags: string[]) => runProgram(['load', ...flags], { env: scene.env });

async function startRelay(): Promise<RunningProgram> {
  const relay = await runProgram(['relay'], { env: scene.env });
  await relay.waitForLine(/relay\.started/);
  return relay;
}

async function finished(program: RunningProgram) {
  const { code } = await program.waitForExit({ timeoutMs: 60_000 });
  return { code, stderr: program.stderr.join('\n'), result: JSON.parse(program.stdout.join('') || 'null') };
}

const loadJson = async (...flags: string[]) => finished(await startLoad(...flags, '--json'));

describe('load through the outbox', () => {
  beforeAll(async () => {
    scene = await openScene();
    await scene.startWorker();
    await startRelay();
  });

  it('commits each webhook in a transaction of its own, and rolls back a share; what is rolled back never arrives', async () => {
    const flags = [
      '--count',
      '300',
      '--rate',
      '300',
      '--rollback',
      '0.3',
      '--seed',
      '5',
      '--size',
      '64..2000',
    ];
    const { code, result } = await loadJson('--via', 'outbox', '--receiver', '--verify', ...flags);
    expect(result.rolledBack).toBeGreaterThan(60);
    expect(result.rolledBack).toBeLessThan(120);
    expect(result).toMatchObject({ via: 'outbox', sent: 300, stored: 300 - result.rolledBack, lost: 0 });
    expect(result).toMatchObject({
      delivered: result.stored,
      unexpected: 0,
      neverCommitted: 0,
      problems: [],
    });
    expect(code).toBe(0);
    const rows = await scene.query<{ count: number }>(
      `SELECT count(*)::int FROM nats_outbox_events WHERE message_id ~ $1 AND status = 'published'`,
      [`^load-${result.run}-\\d+$`],
    );
    expect(rows).toEqual([{ count: result.stored }]);
  });

  it('sends to the rows of a name', async () => {
    const endpoint = await startEndpoint();
    await scene.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('orders', $1)`, [endpoint.url]);
    const { code } = await loadJson('--via', 'outbox', '--name', 'orders', '--count', '2');
    expect(code).toBe(0);
    await until(() => endpoint.requests.length === 2);
    expect(endpoint.requests[0]!.headers['webhook-id']).toMatch(/^load-[0-9a-f]{8}-\d$/);
  });

  it.each(
    loadCommands().filter((line) => NEEDS_RELAY.test(line)),
  )('a command of the manual ends with 0: %s', async (line) => {
    const program = await runCommand('/bin/sh', ['-c', line], { cwd: ROOT, env: scene.env });
    expect(await program.waitForExit({ timeoutMs: 60_000 })).toMatchObject({ code: 0 });
  });

  it('counts what PostgreSQL refuses as refused, with its words', async () => {
    const flags = ['--count', '3', '--size', '1048000', '--receiver', '--verify'];
    const { code, result, stderr } = await loadJson('--via', 'outbox', ...flags);
    expect(result).toMatchObject({ sent: 3, refused: 3, stored: 0, allAccountedFor: true });
    expect(stderr).toMatch(
      /^3 refused: this webhook could never be sent: it has 10\d+ bytes, and NATS takes/m,
    );
    expect(code).toBe(0);
  });

  it('asks PostgreSQL whether a transaction was committed whose connection broke', async () => {
    const program = await startLoad(
      ...['--via', 'outbox', '--json', '--receiver', '--verify', '--rate', '100', '--count', '900'],
    );
    await program.waitForLine(/sent [1-9]/);
    await scene.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ 'COMMIT|webhook_enqueue|xact'`,
    );
    const { result, code } = await finished(program);
    expect(result).toMatchObject({ sent: 900, unconfirmed: 0, lost: 0, unexpected: 0 });
    expect(result.delivered + result.refused).toBe(900);
    expect(code).toBe(0);
  });
});

describe('load sample invoices', () => {
  beforeAll(async () => {
    scene = await openScene();
    await scene.startWorker();
    await startRelay();
  });

  it('writes invoices and their events, and each business gets the events of its invoices, in order', async () => {
    const flags = ['--rate', '200', '--count', '300', '--rollback', '0.3', '--seed', '3'];
    const { code, result, stderr } = await loadJson('sample', 'invoices', '--receiver', '--verify', ...flags);
    expect(stderr).not.toMatch(/arrived|delivered:/);
    expect(result).toMatchObject({ sent: 300, delivered: result.stored, outOfOrder: 0, doubled: 0, lost: 0 });
    expect(result.stored + result.rolledBack).toBe(300);
    expect(result.rolledBack).toBeGreaterThan(60);
    expect(code).toBe(0);
    // The table holds what was committed, and nothing else.
    const [table] = await scene.query(
      `SELECT sum(version)::int AS events, count(DISTINCT business_id)::int AS businesses FROM sample_invoices`,
    );
    expect(table).toEqual({ events: result.stored, businesses: 4 });
  });

  it('sends the invoice, as PostgreSQL wrote it, to the row of its business', async () => {
    const endpoint = await startEndpoint();
    for (const business of ['acme', 'globex', 'initech', 'umbrella'])
      await scene.query(
        `INSERT INTO rule_webhooks (webhook_name, url) VALUES ('invoices-' || $1, $2 || '/' || $1)`,
        [business, endpoint.url],
      );
    const { code, result } = await loadJson(
      'sample',
      'invoices',
      '--rate',
      '50',
      '--count',
      '30',
      '--seed',
      '4',
    );
    expect(code).toBe(0);
    await until(() => endpoint.requests.length === result.stored);
    const versions = new Map<string, number>();
    for (const { path, headers, body } of endpoint.requests) {
      const event = JSON.parse(body.toString());
      const { invoice_id, business_id, version, status, amount } = event.invoice;
      expect(path).toBe(`/${business_id}`);
      expect(event.event_id).toBe(headers['webhook-id']);
      expect(event.event_type).toBe(version === 1 ? 'invoice.created' : `invoice.${status}`);
      expect(amount).toBeGreaterThan(0);
      expect(version).toBe((versions.get(invoice_id) ?? 0) + 1);
      versions.set(invoice_id, version);
    }
  });

  it('with --url, the business is the end of the path', async () => {
    const endpoint = await startEndpoint();
    const to = `${endpoint.url}/hook/?a=1`;
    const { code } = await loadJson('sample', 'invoices', '--rate', '50', '--count', '5', '--url', to);
    expect(code).toBe(0);
    await until(() => endpoint.requests.length === 5);
    for (const { path, body } of endpoint.requests)
      expect(path).toBe(`/hook/${JSON.parse(body.toString()).invoice.business_id}?a=1`);
  });

  it('--verify fails on an event whose transaction was rolled back, and on one that arrives again', async () => {
    const program = await startLoad(
      ...[
        'sample',
        'invoices',
        '--json',
        '--receiver',
        '--verify',
        '--rate',
        '20',
        '--count',
        '200',
        '--rollback',
        '0.3',
      ],
    );
    await program.waitForLine(/delivered [1-9]/);
    const { id, url } = await until(async () => {
      const [delivery] = await scene.query<{ id: string; url: string }>(
        `SELECT delivery_id AS id, url FROM nats_deliveries
         WHERE delivery_id IN (SELECT message_id FROM nats_outbox_events WHERE ordering_key ~ '^inv_' LIMIT 20)
         AND url ~ '/load/' LIMIT 1`,
      );
      return delivery;
    });
    const run = /load-(\w+)-/.exec(id)![1]!;
    const data = '{"invoice": {"invoice_id": "x", "version": 1, "business_id": "acme"}}';
    const to = url.replace(/\/\w+$/, '/acme');
    const send = (id: string, body: string) =>
      fetch(to, { method: 'POST', headers: { 'webhook-id': id }, body }).then(({ status }) => status);
    // All ids are taken: some of them are of transactions that are rolled back.
    for (let number = 1; number <= 200; number++) expect(await send(`load-${run}-${number}`, data)).toBe(200);
    const { code, result, stderr } = await finished(program);
    expect(code).toBe(1);
    expect(result.neverCommitted).toBe(result.rolledBack);
    expect(result.doubled).toBeGreaterThan(0);
    expect(stderr).toMatch(/messages? arrived although their transactions were rolled back/);
    expect(stderr).toMatch(/messages? arrived again after the receiver had answered with a 2xx/);
  });

  it('until Ctrl-C, one in 30 s', async () => {
    const program = await startLoad('sample', 'invoices', '--json', '--receiver', '--verify');
    await program.waitForLine(/delivered 1,/);
    program.kill('SIGINT');
    expect(await finished(program)).toMatchObject({ code: 0, result: { sent: 1, delivered: 1 } });
  });
});

describe('load through an outbox that nobody reads', () => {
  it('says that the tables are missing', async () => {
    scene = await openScene();
    const { code, stderr } = await loadJson('--via', 'outbox', '--receiver');
    expect(stderr).toMatch(
      /^Nothing was sent: function webhook_enqueue.* does not exist\. Run the command migrate/m,
    );
    expect(code).toBe(1);
  });

  it('says that PostgreSQL is away', async () => {
    scene = await openScene();
    const env = { ...scene.env, DATABASE_URL: 'postgresql://localhost:1/postgres' };
    const program = await runProgram(['load', '--via', 'outbox', '--receiver'], { env });
    expect(await program.waitForExit()).toMatchObject({ code: 1 });
    expect(program.stderr.join('\n')).toMatch(/DATABASE_URL \(localhost:1\/postgres\).*ECONNREFUSED/);
  });

  it('says that no relay runs, and writes nothing more', async () => {
    scene = await openScene();
    await scene.startWorker();
    const { code, stderr } = await loadJson('--via', 'outbox', '--receiver', '--verify');
    expect(stderr).toMatch(
      /so nothing more was sent\. It is now a row of the outbox that waits for a relay\. Start a relay/,
    );
    expect(code).toBe(1);
    expect(await scene.query('SELECT count(*)::int FROM rule_nats_outbox')).toEqual([{ count: 1 }]);
  });
});
