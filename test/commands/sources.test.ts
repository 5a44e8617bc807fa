import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import { createTestDatabase } from '../support/servers.ts';
import { outcomeOf } from './programs.ts';

let env: Record<string, string>;
beforeAll(async () => {
  env = { DATABASE_URL: (await createTestDatabase()).url };
  expect(await outcomeOf(['migrate'], env)).toMatchObject({ code: 0 });
});

const sources = (...args: string[]) => outcomeOf(['sources', ...args], env);
const shown = async (name: string) => JSON.parse((await sources('show', name)).stdout);

describe('sources', () => {
  beforeEach(() => outcomeOf(['sql', 'DELETE FROM rule_nats_sources'], env));

  test('set --template payments makes the source of payments', async () => {
    expect((await sources('list')).stdout).toContain('sources set payments --template payments');
    expect(await sources('set', 'payments', '--template', 'payments')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: 'source payments: signatures are not verified; needs API key',
    });
    expect(await shown('payments')).toMatchObject({
      name: 'payments',
      signature: { scheme: 'hmac', header: 'x-webhook-signature' },
      secrets: 0,
      verified: false,
      idempotency_key: 'body:type+event_id',
      schema: { required: ['event_id', 'type', 'amount', 'currency', 'occurred_at'] },
      problem: null,
    });
    expect((await sources('list')).stdout).toMatch(/payments \| hmac in x-webhook-signature \| 0 +\| needed/);
  });

  test('set adds secrets from a file and from its arguments, shows none, and drops old ones', async () => {
    const file = join(await temporaryFolder(), 'secret');
    await writeFile(file, 's3cr3t-one\n');
    const first = await sources('set', 'github', '--signature', 'github', '--secret', `@${file}`);
    expect(first.stdout).toBe('source github: signatures are verified by 1 secret(s); needs no API key');
    const second = await sources('set', 'github', '--secret', 's3cr3t-two', '--key-required', 'yes');
    expect(second.stdout).toBe('source github: signatures are verified by 2 secret(s); needs API key');
    for (const args of [['show', 'github'], ['list'], ['list', '--json']]) {
      const { stdout } = await sources(...args);
      expect(stdout).toContain('github');
      expect(stdout).not.toContain('s3cr3t');
    }
    await sources('set', 'github', '--drop-secrets', 'older');
    const rows = await outcomeOf(['sql', '--json', 'SELECT secret_value FROM rule_nats_source_secrets'], env);
    expect(rows.stdout).toBe('{"secret_value":"s3cr3t-two"}');
  });

  test('set changes what its flags name, and none empties a field', async () => {
    const schema = join(await temporaryFolder(), 'schema.json');
    await writeFile(schema, '{"type":"object"}');
    await sources(
      'set',
      'a',
      '--signature',
      'hmac',
      '--header',
      'X-Sig',
      '--prefix',
      'v=',
      '--schema',
      schema,
      '--tolerance',
      '1m',
      '--event-type',
      'body:type',
      '--event-id',
      'header:X-Id',
      '--idempotency',
      'body:id',
      '--description',
      'd',
    );
    expect(await shown('a')).toMatchObject({
      description: 'd',
      signature: { scheme: 'hmac', header: 'x-sig', prefix: 'v=', tolerance_ms: 60_000 },
      schema: { type: 'object' },
      event_type: 'body:type',
      event_id: 'header:X-Id',
      idempotency_key: 'body:id',
    });
    await sources(
      'set',
      'a',
      '--header',
      'none',
      '--schema',
      'none',
      '--event-type',
      'none',
      '--signature',
      'none',
    );
    expect(await shown('a')).toMatchObject({
      description: 'd',
      signature: null,
      schema: null,
      event_type: null,
      event_id: 'header:X-Id',
    });
  });

  test('set stores nothing of a source that cannot work', async () => {
    const schema = join(await temporaryFolder(), 'schema.json');
    await writeFile(schema, '{"type":"strin"}');
    await sources('set', 'a', '--event-type', 'body:type');
    const { code, stderr } = await sources('set', 'a', '--event-type', 'body:other', '--schema', schema);
    expect(stderr).toMatch(/^Nothing was changed: the schema cannot be used: .*type/);
    expect(code).toBe(1);
    expect(await shown('a')).toMatchObject({ event_type: 'body:type', schema: null });
    const unsigned = await sources('set', 'b', '--secret', 's3cr3t');
    expect(unsigned.stderr).toContain('Nothing was changed: it has a secret, and its signature is none');
    expect(unsigned.stderr).not.toContain('s3cr3t');
    expect((await sources('show', 'b')).code).toBe(1);
  });

  test('remove removes a source, and says if there is none', async () => {
    await sources('set', 'a');
    expect(await sources('remove', 'a')).toMatchObject({ code: 0, stdout: 'removed a' });
    expect(await sources('remove', 'a')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no source "a"'),
    });
    expect(await sources('show', 'a')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no source "a"'),
    });
  });
});

test.each([
  [[], 'sources list, sources show NAME'],
  [['make', 'a'], 'sources list, sources show NAME'],
  [['set'], 'sources list, sources show NAME'],
  [['list', 'a'], 'sources list, sources show NAME'],
  [['remove', 'a', 'b'], 'sources list, sources show NAME'],
  [['remove', 'a', '--secret', 's3cr3t'], '--secret belongs to sources set'],
  [['set', 'a', '--template', 'x'], '--template: "x" is not one of payments'],
  [['set', 'a', '--key-required', 'maybe'], '--key-required: "maybe" is not yes or no'],
  [['set', 'a', '--drop-secrets', 'some'], '--drop-secrets: "some" is not older or all'],
  [['set', 'a', '--tolerance', '2d'], '--tolerance: "2d" is not a duration'],
  [['set', 'a', '--schema', '/nonexistent'], '--schema: ENOENT'],
  [['set', 'a', '--secret', '@/nonexistent'], '--secret: ENOENT'],
  [['set', 'a', '--secret', ''], '--secret: the secret is empty'],
])('sources %j exits with 2 and says: %s', async (args, problem) => {
  const { code, stdout, stderr } = await sources(...args);
  expect(stderr).toContain(problem);
  expect(stderr).not.toContain('s3cr3t');
  expect([code, stdout]).toEqual([2, '']);
});

test.each([
  [['--signature', 'md5'], 'signature_is_a_scheme'],
  [['--event-id', 'x'], 'event_id_is_a_declaration'],
])('sources set with %j names the constraint', async (args, constraint) => {
  const { code, stderr } = await sources('set', 'a', ...args);
  expect(stderr).toContain(constraint);
  expect(code).toBe(1);
});
