import { createHmac } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { PAYMENTS_SOURCE } from '../../src/core/source/payments.ts';
import { type SourceRow, sourceRowOf } from '../../src/core/source/source-row.ts';
import { Source } from '../../src/ingest/source.ts';
import { sourceFiles, sourceOfFile } from '../../src/ingest/source-files.ts';
import { Sources } from '../../src/ingest/sources.ts';
import type { FollowedTable } from '../../src/ingest/table-follower.ts';
import { temporaryFolder } from '../support/clean-up.ts';
import { HandClock } from '../support/hand-clock.ts';

const BODY = Buffer.from(
  '{"event_id":"evt_12345","type":"payment.completed","amount":"5000","currency":"NGN","occurred_at":"2026-01-10T12:00:00Z"}',
);
const sourceOf = (fields: Record<string, unknown>, secrets: string[] = [], name = 'payments') =>
  new Source(sourceRowOf(name, fields, secrets));

describe('the source of payments', () => {
  it('takes the signature of the example, as it has no secret', () => {
    const source = sourceOf(PAYMENTS_SOURCE);
    expect(source).toMatchObject({ problem: null, isSigned: false, needsKey: true });
    expect(source.verify({ 'x-webhook-signature': 'test-signature' }, BODY, 0)).toBeNull();
    expect(source.verify({}, BODY, 0)).toBeNull();
    expect(source.validate(JSON.parse(BODY.toString()), BODY.length)).toBeNull();
    expect(source.facts({}, BODY)).toEqual({
      idempotencyKey: '["payment.completed","evt_12345"]',
      eventType: 'payment.completed',
      eventId: 'evt_12345',
    });
  });

  it('with a secret takes only a signature that the secret makes, and then no key is needed', () => {
    const source = sourceOf(PAYMENTS_SOURCE, ['s1', 's2']);
    expect(source).toMatchObject({ isSigned: true, needsKey: false });
    const signed = (secret: string) => ({
      'x-webhook-signature': createHmac('sha256', secret).update(BODY).digest('hex'),
    });
    expect(source.verify(signed('s1'), BODY, 0)).toBeNull();
    expect(source.verify(signed('s2'), BODY, 0)).toBeNull();
    expect(source.verify(signed('s3'), BODY, 0)).toBe('other signature');
    expect(source.verify({ 'x-webhook-signature': 'test-signature' }, BODY, 0)).toBe('broken signature');
    expect(source.verify({}, BODY, 0)).toBe('no signature');
    expect(source.verify(signed('s1'), Buffer.concat([BODY, Buffer.from(' ')]), 0)).toBe('other signature');
  });
});

describe('a source', () => {
  it('may ask for a key beside a signature', () => {
    expect(sourceOf({ signature: 'hmac', key_required: true }, ['s'])).toMatchObject({
      isSigned: true,
      needsKey: true,
    });
  });

  it('with a secret and without a signature has a problem, because nothing would be verified', () => {
    expect(sourceOf({}, ['s'])).toMatchObject({
      problem: expect.stringContaining('has a secret'),
      needsKey: true,
    });
  });

  it('reads each declaration from its own place', () => {
    const source = sourceOf({
      idempotency_key: 'body:a+b.c',
      event_type: 'header:X-Type',
      event_id: 'body:b.c',
    });
    const body = Buffer.from('{"b":{"c":99999999999999999999},"a":"x"}');
    expect(source.facts({ 'x-type': 't' }, body)).toEqual({
      idempotencyKey: '["x","99999999999999999999"]',
      eventType: 't',
      eventId: '99999999999999999999',
    });
    expect(source.facts({}, Buffer.from('no JSON'))).toEqual({
      idempotencyKey: null,
      eventType: null,
      eventId: null,
    });
  });

  it('with a schema that cannot be compiled has a problem', () => {
    expect(sourceOf({ schema: { type: 'strin' } }).problem).toContain('the schema cannot be used');
  });
});

const nothing: FollowedTable<readonly SourceRow[]> = {
  read: async () => ({ version: '', rows: [] }),
  listen: () => ({ stop: () => {} }),
};

/** Follows rows that the test changes, and files. */
async function follow({ folder }: { folder?: string } = {}) {
  const clock = new HandClock();
  const state = { rows: [] as SourceRow[], isAway: false };
  const logged: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line).msg) });
  const sources = new Sources({
    rows: {
      ...nothing,
      async read(known) {
        if (state.isAway) throw new Error('PostgreSQL is away');
        const version = JSON.stringify(state.rows);
        return version === known ? { version } : { version, rows: state.rows };
      },
    },
    files: folder === undefined ? null : sourceFiles(folder),
    clock,
    log,
  });
  return { clock, state, sources, logged };
}

describe('the sources', () => {
  it('follow their rows, and keep a source that did not change', async () => {
    const { clock, state, sources } = await follow();
    state.rows = [sourceRowOf('a', {}, []), sourceRowOf('b', {}, [])];
    await sources.start();
    const a = sources.find('a');
    expect(a).not.toBeNull();
    expect(sources.find('c')).toBeNull();
    state.rows = [sourceRowOf('a', {}, []), sourceRowOf('c', { signature: 'hmac' }, ['s'])];
    await clock.advanceAsync(500);
    expect(sources.find('a')).toBe(a);
    expect(sources.find('b')).toBeNull();
    expect(sources.find('c')).toMatchObject({ isSigned: true });
    state.rows = [sourceRowOf('c', { signature: 'hmac' }, ['other'])];
    await clock.advanceAsync(500);
    expect(sources.find('a')).toBeNull();
    expect(sources.find('c')!.row.secrets).toEqual(['other']);
  });

  it('are the last known ones while PostgreSQL is away, and unknown if they were never read', async () => {
    const { clock, state, sources, logged } = await follow();
    state.isAway = true;
    await sources.start();
    expect(sources.isRead).toBe(false);
    expect(sources.problem).toContain('rule_nats_sources: PostgreSQL is away');
    state.isAway = false;
    state.rows = [sourceRowOf('a', {}, [])];
    await clock.advanceAsync(500);
    expect(sources.isRead).toBe(true);
    state.isAway = true;
    await clock.advanceAsync(60_000);
    expect(sources.find('a')).not.toBeNull();
    expect(sources.problem).not.toBeNull();
    expect(logged.filter((event) => event === 'table.read_failed')).toHaveLength(2);
  });

  it('that are wrong are logged once for each change, and so are those that nobody verifies', async () => {
    const { clock, state, sources, logged } = await follow();
    state.rows = [
      sourceRowOf('a', { schema: { type: 'strin' } }, []),
      sourceRowOf('b', { signature: 'hmac' }, []),
    ];
    await sources.start();
    await clock.advanceAsync(5000);
    expect(logged).toEqual(['source.invalid', 'source.unverified']);
    expect(sources.find('a')!.problem).not.toBeNull();
    state.rows = [
      sourceRowOf('a', { schema: { type: 'string' } }, []),
      sourceRowOf('b', { signature: 'hmac' }, ['s']),
    ];
    await clock.advanceAsync(500);
    expect(sources.find('a')!.problem).toBeNull();
    expect(logged).toHaveLength(2);
  });

  it('of files win over rows, and are followed', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'a.json'), '{"signature":"hmac","secrets":["s"]}');
    await writeFile(join(folder, '.hidden.json'), '{}');
    await writeFile(join(folder, 'README.md'), 'no source');
    const { state, sources } = await follow({ folder });
    state.rows = [sourceRowOf('a', {}, []), sourceRowOf('b', {}, [])];
    await sources.start();
    expect(sources.find('a')).toMatchObject({ isSigned: true });
    expect(sources.find('b')).toMatchObject({ isSigned: false });
    expect(sources.find('.hidden')).toBeNull();
    await rm(join(folder, 'a.json'));
    await writeFile(join(folder, 'c.json'), '{}');
    const table = sourceFiles(folder);
    const { version, rows } = await table.read(null);
    expect(rows!.map(({ name }) => name)).toEqual(['c']);
    expect(await table.read(version)).toEqual({ version });
  });

  it('of a folder that is missing are a problem', async () => {
    const folder = join(await temporaryFolder(), 'missing');
    const { clock, sources } = await follow({ folder });
    await sources.start();
    expect(sources.problem).toContain('SOURCES_DIR');
    await mkdir(folder);
    await clock.advanceAsync(500);
    await expect.poll(() => sources.problem).toBeNull();
  });
});

it.each([
  ['{"secrets":["s3cr3t"]', /^a\.json: is not JSON( at position \d+.*)?$/],
  ['s3cr3t', /^a\.json: is not JSON/],
  ['', /^a\.json: is not JSON/],
  ['[]', /^a\.json: is not a JSON object/],
  ['null', /^a\.json: is not a JSON object/],
  ['{"secrets":"s3cr3t"}', /^a\.json: secrets is not a list of texts/],
  ['{"secrets":[5]}', /^a\.json: secrets is not a list of texts/],
  ['{"signatur":"hmac"}', /^a\.json: no field has the name signatur/],
  ['{"signature":"md5"}', /signature is not one of/],
])('a file with %j is a source with a problem that repeats no secret', (text, problem) => {
  const row = sourceOfFile('a', text);
  expect(row.problem).toMatch(problem);
  expect(row.problem).not.toContain('s3cr3t');
});
