import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import fc from 'fast-check';
import { headers } from 'nats';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { allSettled, logOf, openScene, type Scene, stopWorker } from './scene.ts';

/** Messages per test. They are generated from a seed, which is part of the test's name. */
const MESSAGES = 400;
const seed = Date.now() % 2 ** 31;

/** Starts a server that answers each request with one of these byte strings, and then closes or resets the connection. */
async function startGarbageServer(answers: readonly Buffer[]): Promise<string> {
  let next = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const answer = answers[next++ % answers.length]!;
      if (answer.length % 3 === 0) socket.write(answer, () => socket.resetAndDestroy());
      else socket.end(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUpAfter(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** Publishes all messages, and waits until each is acked or dead-lettered. The worker must log no error, and stop normally. */
async function deliverAll(
  scene: Scene,
  messages: readonly { data: Uint8Array; names: Record<string, string> }[],
) {
  const worker = await scene.startWorker({
    MAX_ATTEMPTS: '1',
    ATTEMPT_TIMEOUT_MS: '1000',
    // With one endpoint for all URLs, an open circuit breaker would stop the requests.
    ENDPOINT_KEY: 'url',
  });
  for (const { data, names } of messages) {
    const sent = headers();
    for (const [name, value] of Object.entries(names)) sent.set(name, value);
    await scene.js.publish('webhooks.fuzz', data, { headers: sent });
  }
  await allSettled(scene, 40_000);
  const deadLetters = (await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages;
  const last = await stopWorker(worker);
  expect(logOf(worker).filter(({ level }) => level === 'fatal' || level === 'error')).toEqual([]);
  expect(worker.stderr).toEqual([]);
  const [sum] = await scene.query<{ delivered: number; acknowledged: number; dead: number }>(
    `SELECT messages_delivered::int AS delivered, messages_acknowledged::int AS acknowledged,
       messages_dead_lettered::int AS dead FROM rule_nats_consumer_stats`,
  );
  expect(sum).toEqual({
    delivered: messages.length,
    acknowledged: messages.length - deadLetters,
    dead: deadLetters,
  });
  return { deadLetters, last };
}

describe(`a worker with random input (seed ${seed})`, () => {
  it('gives every message a verdict, whatever its bytes and NATS headers', async () => {
    const scene = await openScene();
    const url = await startGarbageServer([Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')]);
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    const envelope = fc.record(
      {
        // No host name that may exist: the worker really sends these requests.
        webhook_url: fc.oneof(
          fc.constant(url),
          text.map((path) => url + path),
          fc.jsonValue(),
        ),
        data: fc.jsonValue(),
        headers: fc.oneof(fc.dictionary(text, text, { maxKeys: 4 }), fc.jsonValue()),
        method: fc.oneof(fc.constantFrom('GET', 'POST', 'delete'), fc.jsonValue()),
        params: fc.oneof(fc.dictionary(text, text, { maxKeys: 4 }), fc.jsonValue()),
      },
      { requiredKeys: ['webhook_url'] },
    );
    const data = fc.oneof(
      { weight: 3, arbitrary: envelope.map((value) => Buffer.from(JSON.stringify(value))) },
      { weight: 1, arbitrary: envelope.map((value) => Buffer.from(JSON.stringify(value)).subarray(0, -3)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
    );
    const value = fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).map((line) => line.trim());
    const names = fc.dictionary(
      fc.constantFrom('Webhook-Delivery-Id', 'Content-Type', 'traceparent', 'tracestate', 'X-Anything'),
      value,
    );
    const messages = fc.sample(fc.record({ data, names }), { numRuns: MESSAGES, seed });
    await deliverAll(
      scene,
      messages.map((message) => ({ data: message.data, names: { ...message.names } })),
    );
  });

  it('survives every answer, and counts no random answer as delivered', async () => {
    const scene = await openScene();
    const line = fc.string({ unit: 'grapheme-ascii', maxLength: 80 });
    const status = fc.oneof(fc.integer({ min: 300, max: 999 }), line);
    const head = fc
      .tuple(status, fc.array(fc.tuple(line, line), { maxLength: 6 }), fc.uint8Array({ maxLength: 200 }))
      .map(([code, fields, body]) =>
        Buffer.concat([
          Buffer.from(
            `HTTP/1.1 ${code} x\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
          ),
          body,
        ]),
      );
    const answer = fc.oneof(
      head,
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    );
    const url = await startGarbageServer(fc.sample(answer, { numRuns: MESSAGES, seed }));
    const messages = Array.from({ length: MESSAGES }, (_, n) => ({
      data: Buffer.from(JSON.stringify({ webhook_url: `${url}${n}`, data: {} })),
      names: {},
    }));
    expect((await deliverAll(scene, messages)).deadLetters).toBe(MESSAGES);
  });
});
