import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { connectToNats } from '../../src/nats/connection/connection.ts';
import { ensureStream } from '../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../src/nats/streams/stream-config.ts';
import { cleanUpAfter, temporaryFolder } from '../support/clean-up.ts';
import { startTestNats } from '../support/servers.ts';
import { outcomeOf } from './programs.ts';

const URL = 'http://127.0.0.1:9/hook';
let client: NatsClient;
let env: Record<string, string>;

beforeAll(async () => {
  const nats = await startTestNats();
  env = { NATS_URL: nats.url };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  client = await connectToNats({ servers: [nats.url], name: 'test', log });
  cleanUpAfter(() => client.close());
  await ensureStream(client, defaultWebhookStream('WEBHOOKS', ['webhooks.*']));
});

const publish = (...args: string[]) => outcomeOf(['publish', ...args], env);

async function stored(subject: string) {
  const { config } = await client.manager.streams.info('WEBHOOKS');
  const { state } = await client.manager.streams.info(config.name, { subjects_filter: subject });
  const last = await client.manager.streams.getMessage('WEBHOOKS', { last_by_subj: subject });
  return { count: state.subjects?.[subject], text: last.string(), id: last.header.get('Nats-Msg-Id') };
}

async function file(content: string): Promise<string> {
  const path = join(await temporaryFolder(), 'events.ndjson');
  await writeFile(path, content);
  return path;
}

test('data is stored byte for byte, in an envelope with its URL', async () => {
  const data = '{"n":12345678901234567890, "a":1.0}';
  await publish('--subject', 'webhooks.bytes', '--url', URL, '--data', data);
  expect((await stored('webhooks.bytes')).text).toBe(`{"webhook_url":"${URL}","data":${data}}`);
});

test('without a URL, data from a file is stored as it is', async () => {
  await publish('--subject', 'webhooks.bare', '--data', `@${await file('{"a" : 1}\n')}`);
  expect((await stored('webhooks.bare')).text).toBe('{"a" : 1}\n');
});

test('NATS headers are stored with the message', async () => {
  const [at, type] = ['Webhook-Deliver-At: 2027-01-31T12:00:00Z', 'X-Event-Type: order.paid'];
  await publish('--subject', 'webhooks.headers', '--data', '{}', '--nats-header', at, '--nats-header', type);
  const { header } = await client.manager.streams.getMessage('WEBHOOKS', {
    last_by_subj: 'webhooks.headers',
  });
  expect(header.get('Webhook-Deliver-At')).toBe('2027-01-31T12:00:00Z');
  expect(header.get('X-Event-Type')).toBe('order.paid');
});

test.each(['no colon', ': no name', 'Nats-Msg-Id: 1'])('the NATS header "%s" is an error', async (header) => {
  const { code, stderr } = await publish('--data', '{}', '--nats-header', header);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--nats-header')]);
});

test('publish prints how many messages were stored, and where', async () => {
  const { code, stdout } = await publish('--subject', 'webhooks.reported', '--data', '{}', '--count', '3');
  expect(stdout).toMatch(/^stored 3 messages in WEBHOOKS, the last as number \d+ \(id .+\), \d+ per second$/);
  expect(code).toBe(0);
});

test('with --count, each message is stored with its own id', async () => {
  await publish('--subject', 'webhooks.many', '--data', '{}', '--count', '250', '--id', 'many');
  expect(await stored('webhooks.many')).toMatchObject({ count: 250, id: 'many-250' });
});

test('a message with an id that was stored before is not stored again, and publish says so', async () => {
  const args = ['--subject', 'webhooks.once', '--data', '{}', '--id', 'once'];
  await publish(...args);
  expect((await publish(...args)).stdout).toContain('a message with this id was stored before');
  expect(await stored('webhooks.once')).toMatchObject({ count: 1, id: 'once' });
});

test('with --file, invalid lines are named, and the valid lines are stored unchanged', async () => {
  const validLine = `{"webhook_url": "${URL}","data":[1.0]}`;
  const path = await file(`${validLine}\nnot JSON\n\n{"webhook_url":5}\n${validLine}\r\n`);
  const { code, stdout, stderr } = await publish('--subject', 'webhooks.file', '--file', path);
  expect(stdout).toContain('stored 2 messages');
  expect(stderr).toContain('2 messages were not stored');
  expect(stderr).toContain('line 2: not valid JSON: it breaks at column 2');
  expect(stderr).toContain('line 4: webhook_url is not a string');
  expect(await stored('webhooks.file')).toMatchObject({ count: 2, text: validLine });
  expect(code).toBe(1);
});

test('a subject that no stream carries is an error that names the cure', async () => {
  const { code, stderr } = await publish('--subject', 'elsewhere', '--data', '{}', '--count', '500');
  expect(stderr).toContain('no stream carries the subject elsewhere; a worker');
  expect(code).toBe(1);
});

test('an unreachable NATS server is an error that names the server', async () => {
  const { code, stderr } = await outcomeOf(['publish', '--data', '{}'], { NATS_URL: 'nats://127.0.0.1:1' });
  expect(stderr).toContain('NATS at nats://127.0.0.1:1 cannot be reached');
  expect(code).toBe(1);
});

test('data that is not JSON is an error that names the column', async () => {
  const { code, stderr } = await publish('--url', URL, '--data', '{"a":}');
  expect(stderr).toContain('--data is not valid JSON: it breaks at column 6 (byte 5)');
  expect(code).toBe(2);
});

test('a missing file is an error that names the file', async () => {
  const { code, stderr } = await publish('--file', '/nowhere/events.ndjson');
  expect(stderr).toContain('/nowhere/events.ndjson');
  expect(code).toBe(2);
});

test.each([
  [['--subject', 'webhooks.*'], '--subject: "webhooks.*" is not a subject to publish to'],
  [['--nats-header', 'Webhook-Deliver-At: tomorrow'], 'the NATS header Webhook-Deliver-At is not a time'],
  [['--nats-header', 'Webhook-Expires-At: 2001-01-01T00:00:00Z'], 'Webhook-Expires-At: expired at 2001'],
  [['--id', ''], '--id: an id must not be empty'],
])('%j is an error before publish connects to NATS', async (flags, problem) => {
  const unreachable = { NATS_URL: 'nats://127.0.0.1:1' };
  const { code, stdout, stderr } = await outcomeOf(['publish', '--data', '{}', ...flags], unreachable);
  expect(stderr).toContain(problem);
  expect([code, stdout]).toEqual([2, '']);
});
