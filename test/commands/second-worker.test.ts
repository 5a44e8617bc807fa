import { afterEach, expect, test, vi } from 'vitest';
import { secondWorkerLine } from '../../src/commands/up/second-worker.ts';
import { settingsFrom } from '../../src/config/settings.ts';

const lineFor = (given: Record<string, string>) =>
  secondWorkerLine(settingsFrom(given), ['127.0.0.0/8'], 'node main.js');

afterEach(() => vi.unstubAllEnvs());

test('the command for a second worker sets the servers, the networks and a name, and HTTP_PORT=0', () => {
  const line = lineFor({ NATS_URL: 'nats://a:1', CONSUMER_NAME: 'webhook-worker-1' });
  expect(line).toBe(
    'NATS_URL=nats://a:1 DATABASE_URL=postgresql://localhost/postgres ALLOWED_PRIVATE_CIDRS=127.0.0.0/8 CONSUMER_NAME=webhook-worker-2 HTTP_PORT=0 node main.js worker',
  );
});

test.each([
  ['webhook-worker-1', 'webhook-worker-2'],
  ['worker-9', 'worker-10'],
  ['mine', 'mine-2'],
])('the second worker beside %s is named %s', (name, next) => {
  expect(lineFor({ CONSUMER_NAME: name })).toContain(` CONSUMER_NAME=${next} `);
});

test('the command for a second worker sets every setting that is not at its default, and no other', () => {
  const line = lineFor({
    QUEUE_GROUP: 'orders',
    CONCURRENCY: '256',
    ATTEMPT_TIMEOUT_MS: '2s',
    ALLOWED_PRIVATE_CIDRS: '10.0.0.0/8',
    MAX_DRAINS: '3',
    HTTP_PORT: '9999',
    PORT: '9998',
    API_KEYS: 'whk_00000000_00000000000000000000000000000000',
  });
  expect(line).toContain(' QUEUE_GROUP=orders ');
  expect(line).toContain(' ATTEMPT_TIMEOUT_MS=2s ');
  expect(line).toContain(' ALLOWED_PRIVATE_CIDRS=10.0.0.0/8,127.0.0.0/8 ');
  expect(line).toContain(' MAX_OPEN_QUEUES=3 ');
  expect(line).not.toMatch(/CONCURRENCY|9999|9998|API_KEYS|MAX_DRAINS/);
});

test('every value in the command is quoted as one word for a shell', () => {
  const line = lineFor({
    DATABASE_URL: "postgresql://a:it's%20$x@h/d?sslmode=disable&x=1",
    SUBJECT: 'webhooks.>',
  });
  expect(line).toContain(String.raw`DATABASE_URL='postgresql://a:it'\''s%20$x@h/d?sslmode=disable&x=1' `);
  expect(line).toContain(" SUBJECT='webhooks.>' ");
});

test('a file has its absolute path in the command, since another shell may be in another folder', () => {
  const line = lineFor({ NATS_CREDS: 'secrets/user.creds' });
  expect(line).toMatch(/ NATS_CREDS=\/.*\/secrets\/user\.creds /);
});

test('the command contains PGPASSWORD and similar variables if DATABASE_URL is set', () => {
  vi.stubEnv('PGPASSWORD', 'p w');
  vi.stubEnv('PGAPPNAME', 'mine');
  expect(lineFor({ DATABASE_URL: 'postgresql://h/d' })).toContain(" PGPASSWORD='p w' ");
  expect(lineFor({ DATABASE_URL: 'postgresql://h/d' })).not.toContain('PGAPPNAME');
  expect(lineFor({})).not.toContain('PGPASSWORD');
});
