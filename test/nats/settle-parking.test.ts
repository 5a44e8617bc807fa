import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Verdict } from '../../src/core/verdict.ts';
import type { NatsClient } from '../../src/nats/client.ts';
import { ensureDrain } from '../../src/nats/parked-drain.ts';
import { startTestNats, type TestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { groupState, publish, STREAM } from './group.ts';
import { handOutsOf, KEY, lastCopy, PARKED, stored } from './parking-scene.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from './servers.ts';
import { startSettling } from './settlement-scene.ts';

const NO_ROOM = { kind: 'noRoom', why: 'its circuit breaker is open' } as const;
const PARK: Verdict = { kind: 'park' };
const retry = (waitsIn: 'stream' | 'queue', delayMs = 60_000): Verdict => ({
  kind: 'retry',
  delayMs,
  waitsIn,
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
  await parking.drain(5000);
  expect(await stored(client, STREAM)).toBe(0);
});

test('an attempt that our own shutdown aborted is not counted', async () => {
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), { kind: 'retry', delayMs: 1, waitsIn: 'stream' });
  expect(await settle(await next(1), PARK, { kind: 'aborted' })).toEqual(PARK);
  expect(await journeyOfLast()).toEqual({ attempts: '1', notBefore: undefined });
});

test('a failed attempt that waits in the queue is counted, and not sent before its delay is over', async () => {
  const { parking, next, settle } = await startSettling(client);
  await publish(client, 1);
  const before = Date.now();
  expect(await settle(await next(), retry('queue'))).toEqual(retry('queue'));
  const { attempts, notBefore } = await journeyOfLast();
  expect(attempts).toBe('1');
  expect(Date.parse(notBefore!)).toBeGreaterThanOrEqual(before + 60_000);
  await parking.drain(5000);
  expect(await stored(client, STREAM)).toBe(0);
});

test('what was parked and fails again is parked once more, behind the others, and its copy before is gone', async () => {
  const { parking, settlement, next, settle, parkedCreated } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), PARK, NO_ROOM);
  const drain = await ensureDrain(client, {
    parkedStream: PARKED,
    sourceStream: STREAM,
    endpointKey: KEY,
    ackWaitMs: 60_000,
  });
  if ('failed' in drain) throw new Error(drain.failed);
  const copy = await handOutsOf(client, PARKED, drain.name, parkedCreated).next();
  settlement.hold(copy);
  await settle(copy, retry('queue'));
  expect((await journeyOfLast()).attempts).toBe('1');
  expect((await lastCopy(client)).seq).toBe(2);
  await parking.drain(5000);
  expect(await stored(client, PARKED)).toBe(1);
});

test('where the parked stream is full, a failed attempt waits in the stream, as it does otherwise', async () => {
  const { next, settle } = await startSettling(client);
  await fillParkedStream();
  const delays = naks();
  await publish(client, 1);
  expect(await settle(await next(), retry('queue'))).toEqual(retry('stream'));
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
  expect(await settle(await next(), PARK, NO_ROOM)).toEqual({ kind: 'handBack' });
  await until(() => delays.length === 1);
  expect(delays).toEqual([delayMs]);
  expect(parking.trouble()).toContain(PARKED);
  expect(await stored(client, STREAM)).toBe(1);
});

test('where the parked stream is full, one without room that is set aside is kept as it is: the server hears only that it is held', async () => {
  const { next, settle, handOuts, settlement } = await startSettling(client, {
    ackWaitMs: 1000,
    setAside: () => true,
  });
  await fillParkedStream();
  await publish(client, 1);
  const handOut = await next();
  expect(await settle(handOut, PARK, NO_ROOM)).toEqual({ kind: 'setAside' });
  expect(settlement.hasHandedBack()).toBe(false);
  await until(() => performance.now() - handOut.receivedAt > 2500);
  expect(handOuts.length).toBe(1);
  expect(await settle(handOut, { kind: 'ack' })).toEqual({ kind: 'ack' });
  await until(async () => (await stored(client, STREAM)) === 0);
});
