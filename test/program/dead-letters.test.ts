import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import type { RunningProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { type MisbehavingEndpoint, startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { allSettled, deadLetterOf, logOf, openScene, type Scene, statisticsOf } from './scene.ts';

interface Case {
  readonly what: string;
  /**
   * The published message. A misbehaving endpoint does what the path of the URL says. `separate` is the URL of a second one, which
   * gets one message only, so that the worker keeps no connection to it.
   */
  readonly message: (endpoint: string, closedPort: number, separate: string) => unknown;
  readonly reason: string;
  /** How many requests the worker sends for the message. */
  readonly requests: number;
  readonly error: RegExp;
}

const CASES: Case[] = [
  {
    what: 'an answer of 410',
    message: (url) => ({ webhook_url: `${url}/status/410` }),
    reason: 'gone',
    requests: 1,
    error: /^HTTP 410$/,
  },
  {
    what: 'a status of TERMINAL_STATUSES',
    message: (url) => ({ webhook_url: `${url}/status/422` }),
    reason: 'rejected',
    requests: 1,
    error: /^HTTP 422$/,
  },
  {
    what: 'an error status',
    message: (url) => ({ webhook_url: `${url}/status/404` }),
    reason: 'exhausted',
    requests: 2,
    error: /^HTTP 404$/,
  },
  {
    what: 'a redirect',
    message: (url) => ({ webhook_url: `${url}/redirect` }),
    reason: 'exhausted',
    requests: 2,
    error: /^HTTP 302$/,
  },
  {
    what: 'a reset connection',
    // On a kept connection, the request would be sent again at once.
    message: (_, _port, separate) => ({ webhook_url: `${separate}/reset` }),
    reason: 'exhausted',
    requests: 2,
    error: /^ECONNRESET: /,
  },
  {
    what: 'an endpoint that does not answer in time',
    message: (url) => ({ webhook_url: `${url}/hang` }),
    reason: 'exhausted',
    requests: 2,
    error: /^no answer within 2000 ms$/,
  },
  {
    what: 'a closed port',
    message: (_, port) => ({ webhook_url: `http://127.0.0.1:${port}/nobody` }),
    reason: 'exhausted',
    requests: 0,
    error: /^ECONNREFUSED: /,
  },
  {
    what: 'a host that does not exist',
    message: () => ({ webhook_url: 'http://nobody.invalid/hook' }),
    reason: 'exhausted',
    requests: 0,
    // A slow name server may take longer than the timeout of an attempt.
    error: /^(ENOTFOUND|EAI_AGAIN): |^no (connection|answer) within/,
  },
  {
    what: 'an invalid URL',
    message: () => ({ webhook_url: 'not a url' }),
    reason: 'malformed',
    requests: 0,
    error: /webhook_url/,
  },
  {
    what: 'a header that no message may set',
    message: (url) => ({ webhook_url: `${url}/status/200`, headers: { Host: 'elsewhere' } }),
    reason: 'malformed',
    requests: 0,
    error: /Host/i,
  },
  {
    what: 'a header with a line break',
    message: (url) => ({ webhook_url: `${url}/status/200`, headers: { 'X-Any': 'a\r\nX-Other: b' } }),
    reason: 'malformed',
    requests: 0,
    error: /X-Any/i,
  },
  {
    what: 'a URL that is not a string',
    message: () => ({ webhook_url: ['http://127.0.0.1/'] }),
    reason: 'malformed',
    requests: 0,
    error: /webhook_url/,
  },
  {
    what: 'an incomplete envelope',
    message: () => Buffer.from('{"webhook_url": "http://127.0.0.1/", "data": {'),
    reason: 'malformed',
    requests: 0,
    error: /not valid JSON/,
  },
  {
    what: 'a message without a URL',
    message: () => ({ any: 'event' }),
    reason: 'unroutable',
    requests: 0,
    error: /webhooks\.test/,
  },
  {
    what: 'a message that is not JSON',
    message: () => Buffer.from('oh \x00\xff', 'latin1'),
    reason: 'unroutable',
    requests: 0,
    error: /webhook_url/,
  },
  {
    what: 'an empty message',
    message: () => Buffer.alloc(0),
    reason: 'unroutable',
    requests: 0,
    error: /webhook_url/,
  },
  {
    what: 'a private address',
    message: () => ({ webhook_url: 'http://10.1.2.3/hook' }),
    reason: 'forbidden',
    requests: 0,
    error: /10\.1\.2\.3/,
  },
  {
    what: 'the address of the cloud metadata service',
    message: () => ({ webhook_url: 'http://169.254.169.254/latest' }),
    reason: 'forbidden',
    requests: 0,
    error: /169\.254/,
  },
];

describe('a dead letter', () => {
  let scene: Scene;
  let endpoint: MisbehavingEndpoint;
  let separate: MisbehavingEndpoint;
  let worker: RunningProgram;
  let closedPort: number;
  const sequences = new Map<string, number>();

  beforeAll(async () => {
    [scene, endpoint, closedPort] = [await openScene(), await startMisbehavingEndpoint(), await freePort()];
    separate = await startMisbehavingEndpoint();
    worker = await scene.startWorker({
      CONSUMER_NAME: 'one',
      MAX_ATTEMPTS: '2',
      BACKOFF_BASE_MS: '1',
      TERMINAL_STATUSES: '400,422',
      // Only the hanging endpoint must time out. A busy machine takes half a second to answer.
      ATTEMPT_TIMEOUT_MS: '2000',
    });
    for (const { what, message } of CASES)
      sequences.set(
        what,
        await scene.publish(message(endpoint.url, closedPort, separate.url), {
          headers: { 'X-Origin': what },
        }),
      );
    await allSettled(scene);
  });

  const bodyOf = ({ message }: Case) => {
    const published = message(endpoint.url, closedPort, separate.url);
    return published instanceof Uint8Array ? published : Buffer.from(JSON.stringify(published));
  };

  it.each(CASES)('for $what has the reason $reason, and the published bytes and headers', async (given) => {
    const deadLetter = await deadLetterOf(scene, sequences.get(given.what)!);
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe(given.reason);
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toMatch(given.error);
    expect(deadLetter.header.get('X-Origin')).toBe(given.what);
    expect(Buffer.from(deadLetter.data)).toEqual(bodyOf(given));
  });

  it.each(CASES)('for $what is in nats_deliveries with $requests requests', async ({
    what,
    reason,
    error,
    requests,
  }) => {
    const row = await scene.deliveryOf(sequences.get(what)!, 'dead-lettered');
    expect(row).toMatchObject({ dead_letter_reason: reason, last_error: expect.stringMatching(error) });
    if (requests > 0) expect(row.attempts).toBe(requests);
  });

  it.each(
    CASES,
  )('for $what is a failure in rule_nats_publish_history and nats_recent_failures', async (given) => {
    const [row] = await scene.query(
      `SELECT success, subject, h.error_message AS history, f.error_message AS failure
       FROM rule_nats_publish_history h JOIN nats_recent_failures f USING (publish_id, subject)
       WHERE sequence_number = $1`,
      [sequences.get(given.what)],
    );
    expect(row).toMatchObject({ success: false, subject: 'webhooks.test', history: row!.failure });
    expect(row!.history).toMatch(new RegExp(`^${given.reason}: `));
  });

  it('is stored after one request for a final answer, and after MAX_ATTEMPTS requests for other failures', () => {
    const all = [...endpoint.requests, ...separate.requests];
    const requestsTo = (path: string) => all.filter((request) => request.path === path).length;
    for (const { message, requests } of CASES) {
      const published = message('', closedPort, '') as { webhook_url?: unknown };
      const path = String(published.webhook_url);
      if (path.startsWith('/')) expect(requestsTo(path), path).toBe(requests);
    }
  });

  it('is stored once per message', async () => {
    expect((await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages).toBe(CASES.length);
  });

  it('is counted in the statistics', async () => {
    await until(async () => {
      const row = (await statisticsOf(scene)).get('one')!;
      expect(row).toMatchObject({
        messages_dead_lettered: CASES.length,
        messages_acknowledged: 0,
        messages_pending: 0,
      });
      return true;
    });
  });

  it('is logged as a warning with its reason', () => {
    const reasons = logOf(worker).filter(({ level, reason }) => level === 'warn' && reason !== undefined);
    expect(reasons.map(({ reason }) => reason).sort()).toEqual(CASES.map(({ reason }) => reason).sort());
  });
});

describe('without ALLOWED_PRIVATE_CIDRS,', () => {
  it.each(['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1'])('%s is forbidden', async (url) => {
    const scene = await openScene();
    await scene.startWorker({ ALLOWED_PRIVATE_CIDRS: '' });
    const deadLetter = await deadLetterOf(scene, await scene.publish({ webhook_url: url }));
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('forbidden');
  });
});
