import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Verdict } from '../../../src/core/retry/verdict.ts';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureParkedConsumer } from '../../../src/nats/consumers/parked-queues.ts';
import { createParkedWriter } from '../../../src/nats/settlement/parked-writer.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { groupState, publish, STREAM } from '../group.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';
import { KEY, lastCopy, PARKED, receiveFrom, stored } from './parking-scene.ts';
import { startSettling } from './settlement-scene.ts';

const NO_CAPACITY = { kind: 'noCapacity', reason: 'the circuit breaker of the endpoint is open' } as const;
const PARK: Verdict = { kind: 'park' };
const retry = (retryVia: 'nak' | 'park', delayMs = 60_000): Verdict => ({
  kind: 'retry',
  delayMs,
  retryVia,
});

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
});

/** The number of attempts in the last copy, and the earliest time of the next one. */
async function attemptsOfLast() {
  const headers = new Map((await lastCopy(client)).headers.map(([name, [value]]) => [name, value]));
  return { attempts: headers.get('Webhook-Attempts'), notBefore: headers.get('Webhook-Not-Before') };
}

/** Records the delays of all naks, in milliseconds. */
function recordNaks(): number[] {
  const delays: number[] = [];
  const subscription = client.connection.subscribe('$JS.ACK.>', {
    callback(_error, message) {
      const [, delay] = /^-NAK \{"delay":(\d+)\}/.exec(message.string()) ?? [];
      if (delay !== undefined) delays.push(Number(delay) / 1e6);
    },
  });
  onTestFinished(() => subscription.unsubscribe());
  return delays;
}

async function fillParkedStream(): Promise<void> {
  const { config } = await client.manager.streams.info(PARKED);
  await client.manager.streams.update(PARKED, { ...config, max_bytes: 1 });
}

test('a message without capacity waits in the parked queue of its endpoint with its attempts so far, and may be sent at once', async () => {
  const { parking, next, settle } = await startSettling(client);
  await publish(client, 1);
  expect(await settle(await next(), PARK, NO_CAPACITY)).toEqual(PARK);
  expect(await attemptsOfLast()).toEqual({ attempts: '0', notBefore: undefined });
  await parking.flush(5000);
  expect(await stored(client, STREAM)).toBe(0);
});

test('an attempt that our shutdown aborted is not counted', async () => {
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), { kind: 'retry', delayMs: 1, retryVia: 'nak' });
  expect(await settle(await next(1), PARK, { kind: 'aborted' })).toEqual(PARK);
  expect(await attemptsOfLast()).toEqual({ attempts: '1', notBefore: undefined });
});

test('a failed message that waits in the parked queue has one attempt more, and is not sent before its delay is over', async () => {
  const { parking, next, settle } = await startSettling(client);
  await publish(client, 1);
  const before = Date.now();
  expect(await settle(await next(), retry('park'))).toEqual(retry('park'));
  const { attempts, notBefore } = await attemptsOfLast();
  expect(attempts).toBe('1');
  expect(Date.parse(notBefore!)).toBeGreaterThanOrEqual(before + 60_000);
  await parking.flush(5000);
  expect(await stored(client, STREAM)).toBe(0);
});

test('a parked message that fails again is parked at the end of its queue, and its earlier copy is removed', async () => {
  const { parking, settlement, next, settle, parkedCreated } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), PARK, NO_CAPACITY);
  const parkedConsumer = await ensureParkedConsumer(client, {
    parkedStream: PARKED,
    owner: { sourceStream: STREAM, group: 'webhook-workers' },
    queueKey: KEY,
    ackWaitMs: 60_000,
  });
  if ('failed' in parkedConsumer) throw new Error(parkedConsumer.failed);
  const copy = await receiveFrom(client, PARKED, parkedConsumer.name, parkedCreated).next();
  settlement.hold(copy);
  await settle(copy, retry('park'));
  expect((await attemptsOfLast()).attempts).toBe('1');
  expect((await lastCopy(client)).seq).toBe(2);
  await parking.flush(5000);
  expect(await stored(client, PARKED)).toBe(1);
});

test('a failed message waits in its stream if the parked stream is full', async () => {
  const { next, settle } = await startSettling(client);
  await fillParkedStream();
  const delays = recordNaks();
  await publish(client, 1);
  expect(await settle(await next(), retry('park'))).toEqual(retry('nak'));
  await until(() => delays.length === 1);
  expect(delays).toEqual([60_000]);
  expect((await groupState(client)).num_ack_pending).toBe(1);
});

test.each([
  [0, 1000],
  [0.999, 2998],
])('a message without capacity is requeued after a random delay if the parked stream is full (random number %d: after %d ms)', async (random, delayMs) => {
  const { parking, next, settle } = await startSettling(client, { random: () => random });
  await fillParkedStream();
  const delays = recordNaks();
  await publish(client, 1);
  expect(await settle(await next(), PARK, NO_CAPACITY)).toMatchObject({ kind: 'requeued' });
  await until(() => delays.length === 1);
  expect(delays).toEqual([delayMs]);
  expect(parking.problem()).toContain(PARKED);
  expect(await stored(client, STREAM)).toBe(1);
});

test('a message without capacity that is deferred because the parked stream is full stays unsettled, and is not delivered again', async () => {
  const { next, settle, messages, settler } = await startSettling(client, {
    ackWaitMs: 1000,
    defer: () => true,
  });
  await fillParkedStream();
  await publish(client, 1);
  const message = await next();
  expect(await settle(message, PARK, NO_CAPACITY)).toEqual({ kind: 'deferred' });
  expect(settler.hasRequeued()).toBe(false);
  await until(() => performance.now() - message.receivedAt > 2500);
  expect(messages.length).toBe(1);
  expect(await settle(message, { kind: 'ack' })).toEqual({ kind: 'ack' });
  await until(async () => (await stored(client, STREAM)) === 0);
});

describe('a scheduled message', () => {
  const inAnHour = () => Date.now() + 3_600_000;
  const later = (dueAt: number): Verdict => ({ kind: 'schedule', dueAt });
  const early = (dueAt: number) => ({ kind: 'notDue', dueAt }) as const;

  test('waits in the queue of its minute with its attempts so far', async () => {
    const { next, settle } = await startSettling(client);
    const dueAt = inAnHour();
    await publish(client, 1);
    expect(await settle(await next(), later(dueAt), early(dueAt))).toEqual(later(dueAt));
    const minute = new Date(dueAt).toISOString().slice(0, 16);
    expect((await lastCopy(client)).subject).toBe(`parked.${STREAM}.at.${minute}`);
    expect(await attemptsOfLast()).toEqual({ attempts: '0', notBefore: new Date(dueAt).toISOString() });
  });

  test('has its due time in its copy, also in the queue of a day, because older workers open that queue at once', async () => {
    const { next, settle } = await startSettling(client);
    const dueAt = Date.now() + 72 * 3_600_000;
    await publish(client, 1);
    await settle(await next(), later(dueAt), early(dueAt));
    const day = new Date(dueAt).toISOString().slice(0, 10);
    expect((await lastCopy(client)).subject).toBe(`parked.${STREAM}.at.${day}`);
    expect((await attemptsOfLast()).notBefore).toBe(new Date(dueAt).toISOString());
  });

  test('has one copy, even if another worker parks it again in the queue of another time', async () => {
    const { parking, next } = await startSettling(client);
    await publish(client, 1);
    const message = await next();
    for (const endpointKey of ['at.2199-01-01', 'at.2199-01-01T12:00'])
      await createParkedWriter(client, {
        streamName: PARKED,
        owner: { sourceStream: STREAM, group: 'webhook-workers' },
      }).park(message, {
        deliveryId: 'orders:1',
        endpointKey,
        webhookId: null,
        attempts: 0,
        notBefore: null,
      });
    await parking.flush(5000);
    expect((await lastCopy(client)).subject).toBe(`parked.${STREAM}.at.2199-01-01`);
    expect(await stored(client, PARKED)).toBe(1);
  });

  test('waits in its stream if it is too large for a copy', async () => {
    const { next, settle } = await startSettling(client);
    const delays = recordNaks();
    const dueAt = inAnHour();
    await client.connection.request('webhooks.orders', new Uint8Array(1_048_000), { timeout: 10_000 });
    expect(await settle(await next(), later(dueAt), early(dueAt))).toMatchObject({ kind: 'requeued' });
    await until(() => delays.length === 1);
    expect(delays[0]).toBeGreaterThan(3_500_000);
    expect(await stored(client, PARKED)).toBe(0);
  });

  test('is deferred if the parked stream is full, and requeued if no memory is left', async () => {
    const hasMemory = [true, false];
    const { next, settle } = await startSettling(client, { defer: () => hasMemory.shift()! });
    await fillParkedStream();
    await publish(client, 2);
    const dueAt = inAnHour();
    expect(await settle(await next(), later(dueAt), early(dueAt))).toEqual({ kind: 'deferred' });
    expect(await settle(await next(1), later(dueAt), early(dueAt))).toMatchObject({ kind: 'requeued' });
  });
});
