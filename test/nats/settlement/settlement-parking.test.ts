import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Verdict } from '../../../src/core/retry/verdict.ts';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureParkedConsumer } from '../../../src/nats/consumers/parked-queues.ts';
import { createParkedWriter } from '../../../src/nats/settlement/parked-writer.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { groupState, publish, STREAM } from '../group.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';
import { handOutsOf, KEY, lastCopy, PARKED, stored } from './parking-scene.ts';
import { startSettling } from './settlement-scene.ts';

const NO_ROOM = { kind: 'noCapacity', reason: 'its circuit breaker is open' } as const;
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

/** What the last copy says of its attempts. */
async function journeyOfLast() {
  const headers = new Map((await lastCopy(client)).headers.map(([name, [value]]) => [name, value]));
  return { attempts: headers.get('Webhook-Attempts'), notBefore: headers.get('Webhook-Not-Before') };
}

/** The delays that the server is asked for, in milliseconds. */
function naks(): number[] {
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

test('a message without room waits in the queue of its endpoint, with the attempts that it had, and may be sent at once', async () => {
  const { parking, next, settle } = await startSettling(client);
  await publish(client, 1);
  expect(await settle(await next(), PARK, NO_ROOM)).toEqual(PARK);
  expect(await journeyOfLast()).toEqual({ attempts: '0', notBefore: undefined });
  await parking.flush(5000);
  expect(await stored(client, STREAM)).toBe(0);
});

test('an attempt that our own shutdown aborted is not counted', async () => {
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), { kind: 'retry', delayMs: 1, retryVia: 'nak' });
  expect(await settle(await next(1), PARK, { kind: 'aborted' })).toEqual(PARK);
  expect(await journeyOfLast()).toEqual({ attempts: '1', notBefore: undefined });
});

test('a failed attempt that waits in the queue is counted, and not sent before its delay is over', async () => {
  const { parking, next, settle } = await startSettling(client);
  await publish(client, 1);
  const before = Date.now();
  expect(await settle(await next(), retry('park'))).toEqual(retry('park'));
  const { attempts, notBefore } = await journeyOfLast();
  expect(attempts).toBe('1');
  expect(Date.parse(notBefore!)).toBeGreaterThanOrEqual(before + 60_000);
  await parking.flush(5000);
  expect(await stored(client, STREAM)).toBe(0);
});

test('what was parked and fails again is parked once more, behind the others, and its copy before is gone', async () => {
  const { parking, settlement, next, settle, parkedCreated } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), PARK, NO_ROOM);
  const drain = await ensureParkedConsumer(client, {
    parkedStream: PARKED,
    sourceStream: STREAM,
    endpointKey: KEY,
    ackWaitMs: 60_000,
  });
  if ('failed' in drain) throw new Error(drain.failed);
  const copy = await handOutsOf(client, PARKED, drain.name, parkedCreated).next();
  settlement.hold(copy);
  await settle(copy, retry('park'));
  expect((await journeyOfLast()).attempts).toBe('1');
  expect((await lastCopy(client)).seq).toBe(2);
  await parking.flush(5000);
  expect(await stored(client, PARKED)).toBe(1);
});

test('where the parked stream is full, a failed attempt waits in the stream, as it does otherwise', async () => {
  const { next, settle } = await startSettling(client);
  await fillParkedStream();
  const delays = naks();
  await publish(client, 1);
  expect(await settle(await next(), retry('park'))).toEqual(retry('nak'));
  await until(() => delays.length === 1);
  expect(delays).toEqual([60_000]);
  expect((await groupState(client)).num_ack_pending).toBe(1);
});

test.each([
  [0, 1000],
  [0.999, 2998],
])('where the parked stream is full, one without room is handed back, not in step with others (%d: after %d ms)', async (random, delayMs) => {
  const { parking, next, settle } = await startSettling(client, { random: () => random });
  await fillParkedStream();
  const delays = naks();
  await publish(client, 1);
  expect(await settle(await next(), PARK, NO_ROOM)).toMatchObject({ kind: 'requeued' });
  await until(() => delays.length === 1);
  expect(delays).toEqual([delayMs]);
  expect(parking.problem()).toContain(PARKED);
  expect(await stored(client, STREAM)).toBe(1);
});

test('where the parked stream is full, one without room that is set aside is kept as it is: the server hears only that it is held', async () => {
  const { next, settle, messages, settler } = await startSettling(client, {
    ackWaitMs: 1000,
    defer: () => true,
  });
  await fillParkedStream();
  await publish(client, 1);
  const message = await next();
  expect(await settle(message, PARK, NO_ROOM)).toEqual({ kind: 'deferred' });
  expect(settler.hasRequeued()).toBe(false);
  await until(() => performance.now() - message.receivedAt > 2500);
  expect(messages.length).toBe(1);
  expect(await settle(message, { kind: 'ack' })).toEqual({ kind: 'ack' });
  await until(async () => (await stored(client, STREAM)) === 0);
});

describe('what is to be sent later', () => {
  const inAnHour = () => Date.now() + 3_600_000;
  const later = (dueAt: number): Verdict => ({ kind: 'schedule', dueAt });
  const early = (dueAt: number) => ({ kind: 'notDue', dueAt }) as const;

  test('waits in the queue of its minute, with the attempts that it had', async () => {
    const { next, settle } = await startSettling(client);
    const dueAt = inAnHour();
    await publish(client, 1);
    expect(await settle(await next(), later(dueAt), early(dueAt))).toEqual(later(dueAt));
    const minute = new Date(dueAt).toISOString().slice(0, 16);
    expect((await lastCopy(client)).subject).toBe(`parked.${STREAM}.at.${minute}`);
    expect(await journeyOfLast()).toEqual({ attempts: '0', notBefore: new Date(dueAt).toISOString() });
  });

  test('says on its copy when that is, also in the queue of its day, which older workers open at once', async () => {
    const { next, settle } = await startSettling(client);
    const dueAt = Date.now() + 72 * 3_600_000;
    await publish(client, 1);
    await settle(await next(), later(dueAt), early(dueAt));
    const day = new Date(dueAt).toISOString().slice(0, 10);
    expect((await lastCopy(client)).subject).toBe(`parked.${STREAM}.at.${day}`);
    expect((await journeyOfLast()).notBefore).toBe(new Date(dueAt).toISOString());
  });

  test('is one copy, though it is parked again by another worker, in the queue of another time', async () => {
    const { parking, next } = await startSettling(client);
    await publish(client, 1);
    const message = await next();
    for (const endpointKey of ['at.2199-01-01', 'at.2199-01-01T12:00'])
      await createParkedWriter(client, { streamName: PARKED, sourceStream: STREAM }).park(message, {
        deliveryId: 'orders:1',
        endpointKey,
        attempts: 0,
        notBefore: null,
      });
    await parking.flush(5000);
    expect((await lastCopy(client)).subject).toBe(`parked.${STREAM}.at.2199-01-01`);
    expect(await stored(client, PARKED)).toBe(1);
  });

  test('waits in its stream where it is too large for a copy', async () => {
    const { next, settle } = await startSettling(client);
    const delays = naks();
    const dueAt = inAnHour();
    await client.connection.request('webhooks.orders', new Uint8Array(1_048_000), { timeout: 10_000 });
    expect(await settle(await next(), later(dueAt), early(dueAt))).toMatchObject({ kind: 'requeued' });
    await until(() => delays.length === 1);
    expect(delays[0]).toBeGreaterThan(3_500_000);
    expect(await stored(client, PARKED)).toBe(0);
  });

  test('is set aside, else handed back, where the parked stream is full', async () => {
    const places = [true, false];
    const { next, settle } = await startSettling(client, { defer: () => places.shift()! });
    await fillParkedStream();
    await publish(client, 2);
    const dueAt = inAnHour();
    expect(await settle(await next(), later(dueAt), early(dueAt))).toEqual({ kind: 'deferred' });
    expect(await settle(await next(1), later(dueAt), early(dueAt))).toMatchObject({ kind: 'requeued' });
  });
});
