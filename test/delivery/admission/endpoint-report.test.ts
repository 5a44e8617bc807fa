import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_RULE } from '../../../src/core/capacity/endpoint-limiter.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import { Rooms } from '../../../src/delivery/admission/admission.ts';
import { RoomReport } from '../../../src/delivery/admission/endpoint-report.ts';
import type { Pass } from '../../../src/delivery/admission/tracked-endpoint.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

let rooms: Rooms;
let report: RoomReport;
/** Level and endpoint of each line. */
let said: string[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'], now: 0 });
  rooms = new Rooms({
    slots: 64,
    silentAfterMs: 200,
    failureShare: 0.8,
    windowMs: 10_000,
    retryAfterMaxMs: 3_600_000,
    mostEndpoints: 10_000,
    isBusy: () => false,
    rule: NO_RULE,
    now: () => performance.now(),
    random: () => 0.5,
  });
  said = [];
  const say = (level: string) => (about: { endpoint: string }, message: string) =>
    said.push(`${message.includes('paused') ? 'pause' : level} ${about.endpoint}`);
  const log = { info: say('info'), warn: say('warn') } as unknown as Logger;
  report = new RoomReport({ rooms, log, now: () => performance.now(), at: Date.now });
  await report.start();
});
afterEach(async () => {
  await report.stop();
  vi.useRealTimers();
});

const target = (key: string) => ({ endpointKey: key, origin: `https://${key}.example` }) as unknown as Target;
const enter = (key: string, isParkedCopy = false) =>
  rooms.enter(target(key), { isParkedCopy, mustSend: false }) as Pass;
const answer = (status: number, retryAfterMs: number | null = null): Attempt => ({
  outcome: { kind: 'responded', status, retryAfterMs, excerpt: null },
  startedAt: 0,
  durationMs: 5,
});
const passes = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function fail(key: string, retryAfterMs: number | null = null): void {
  const all = Array.from({ length: 5 }, () => enter(key));
  for (const one of all) one.left(answer(503, retryAfterMs));
}

describe('an endpoint that gets into trouble', () => {
  it('is spoken of once, and once more when it is out of it, though PostgreSQL asks for nothing', async () => {
    fail('down', 60_000);
    await passes(20_000);
    expect(said).toEqual(['warn down']);
    await passes(41_000);
    enter('down', true).left(answer(200));
    await passes(10_000);
    expect(said).toEqual(['warn down', 'info down']);
  });

  it('is not out of it while a probe is to try it, nor in it anew when that fails', async () => {
    fail('down', 60_000);
    await passes(70_000);
    expect(report.changed()).toMatchObject([{ state: 'probing' }]);
    enter('down', true).left(answer(503, 60_000));
    await passes(10_000);
    expect(report.changed()).toMatchObject([{ state: 'failing' }]);
    expect(said).toEqual(['warn down']);
  });

  it('is spoken of in its turn where there are many', async () => {
    for (let number = 0; number < 30; number++) fail(`down-${number}`, 60_000);
    await passes(5000);
    expect(said).toHaveLength(20);
    await passes(5000);
    expect(new Set(said).size).toBe(30);
  });

  it('is so since it began to hang, however often it was tried since', async () => {
    enter('hangs');
    await passes(5000);
    const since = 5000;
    expect(report.changed()).toMatchObject([{ state: 'silent', since }]);
    fail('hangs');
    expect(report.changed()).toMatchObject([{ state: 'failing', since }]);
    await passes(2000);
    expect(report.changed()).toMatchObject([{ state: 'probing', since }]);
  });

  it('says when it is tried again in words that stay true', async () => {
    fail('down', 60_000);
    const why = '5 of the last 5 attempts failed; it is tried again at 00:01:00 UTC';
    expect(report.changed()).toMatchObject([{ why }]);
    await passes(3000);
    expect(report.changed()).toEqual([]);
  });

  it('by a pause is said to be paused', async () => {
    rooms.placeOf('any');
    rooms.obey(() => ({ ...NO_RULE, paused: 'moving house' }));
    await passes(5000);
    rooms.obey(() => NO_RULE);
    await passes(5000);
    expect(said).toEqual(['pause any', 'info any']);
  });

  it('is told of with the time at which it began, however late', async () => {
    fail('down', 3_600_000);
    await passes(60_000);
    expect(report.changed()).toMatchObject([{ endpointKey: 'down', state: 'failing', since: 5000 }]);
  });
});

describe('what is known of endpoints', () => {
  it('is told when it has changed, and not again', () => {
    enter('any').left(answer(200));
    expect(report.changed()).toMatchObject([{ endpointKey: 'any', state: 'flowing', successes: 1 }]);
    expect(report.changed()).toEqual([]);
  });

  it('is told of all in turn, where there are more than one flush takes', async () => {
    for (let number = 0; number < 6000; number++) enter(`e${number}`).left(answer(200));
    await passes(1);
    expect(report.changed()).toHaveLength(5000);
    await passes(1);
    for (let number = 0; number < 6000; number++) enter(`e${number}`).left(answer(200));
    const told = report.changed().map(({ endpointKey }) => endpointKey);
    expect(told).toEqual(
      expect.arrayContaining(Array.from({ length: 1000 }, (_, more) => `e${5000 + more}`)),
    );
  });

  it('is forgotten of those that nobody has sent to for ten minutes, once they are told to be out of trouble', async () => {
    fail('dead', 60_000);
    expect(report.changed()).toMatchObject([{ state: 'failing' }]);
    await passes(700_000);
    expect([...rooms.places()]).toHaveLength(1);
    expect(report.changed()).toMatchObject([{ state: 'flowing' }]);
    await passes(5000);
    expect([[...rooms.places()], said]).toEqual([[], ['warn dead', 'info dead']]);
  });

  it('is forgotten though PostgreSQL asks for nothing', async () => {
    fail('dead');
    await passes(700_000);
    expect([...rooms.places()]).toEqual([]);
  });
});
