import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import { EndpointReporter } from '../../../src/delivery/admission/endpoint-report.ts';
import type { Permit } from '../../../src/delivery/admission/tracked-endpoint.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import { HandClock } from '../../support/hand-clock.ts';

let clock: HandClock;
let admission: Admission;
let report: EndpointReporter;
/** Event and endpoint of each log line. */
let logged: string[];

beforeEach(async () => {
  clock = new HandClock();
  admission = new Admission({
    slots: 64,
    unresponsiveAfterMs: 200,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: 10_000,
    isBusy: () => false,
    limits: NO_LIMITS,
    log: { info() {} },
    clock,
    random: () => 0.5,
  });
  logged = [];
  const keep = (about: { endpoint: string }, event: string) => logged.push(`${event} ${about.endpoint}`);
  const log = { info: keep, warn: keep } as unknown as Logger;
  report = new EndpointReporter({ admission, log, clock, at: clock.now });
  await report.start();
});

const target = (key: string) =>
  ({ endpointKey: key, origin: `https://${key}.example`, hostname: `${key}.example` }) as unknown as Target;
const permitFor = (key: string, isParkedCopy = false) =>
  admission.admit(target(key), { isParkedCopy, isRetry: false, cannotPark: false }) as Permit;
const answer = (status: number, retryAfterMs: number | null = null): Attempt => ({
  outcome: { kind: 'responded', status, retryAfterMs, excerpt: null },
  startedAt: 0,
  durationMs: 5,
});
const pass = (ms: number) => clock.advanceAsync(ms);

function fail(key: string, retryAfterMs: number | null = null): void {
  const all = Array.from({ length: 5 }, () => permitFor(key));
  for (const permit of all) permit.release(answer(503, retryAfterMs));
}

describe('an unhealthy endpoint', () => {
  it('is logged once, and once more when it has recovered, even if takeChanges is never called', async () => {
    fail('down', 60_000);
    await pass(20_000);
    expect(logged).toEqual(['endpoint.unhealthy down']);
    await pass(41_000);
    permitFor('down', true).release(answer(200));
    await pass(10_000);
    expect(logged).toEqual(['endpoint.unhealthy down', 'endpoint.recovered down']);
  });

  it('has not recovered while a probe is due, and is not logged again when the probe fails', async () => {
    fail('down', 60_000);
    await pass(70_000);
    expect(report.takeChanges()).toMatchObject([{ state: 'probing' }]);
    permitFor('down', true).release(answer(503, 60_000));
    await pass(10_000);
    expect(report.takeChanges()).toMatchObject([{ state: 'failing' }]);
    expect(logged).toEqual(['endpoint.unhealthy down']);
  });

  it('is logged later if many endpoints are unhealthy at once', async () => {
    for (let number = 0; number < 30; number++) fail(`down-${number}`, 60_000);
    await pass(5000);
    expect(logged).toHaveLength(20);
    await pass(5000);
    expect(new Set(logged).size).toBe(30);
  });

  it('is unhealthy since it stopped answering, however often it was tried since then', async () => {
    permitFor('hangs');
    await pass(5000);
    const since = 5000;
    expect(report.takeChanges()).toMatchObject([{ state: 'silent', since }]);
    fail('hangs');
    expect(report.takeChanges()).toMatchObject([{ state: 'failing', since }]);
    await pass(2000);
    expect(report.takeChanges()).toMatchObject([{ state: 'probing', since }]);
  });

  it('is reported with the time of its next attempt, and not again while that time is the same', async () => {
    fail('down', 60_000);
    const why = '5 of the last 5 attempts failed; the next attempt is at 00:01:00 UTC';
    expect(report.takeChanges()).toMatchObject([{ why }]);
    await pass(3000);
    expect(report.takeChanges()).toEqual([]);
  });

  it('is logged as paused if an operator has paused it', async () => {
    admission.endpointFor('any');
    admission.applyLimits(() => ({ ...NO_LIMITS, paused: 'moving house' }));
    await pass(5000);
    admission.applyLimits(() => NO_LIMITS);
    await pass(5000);
    expect(logged).toEqual(['endpoint.paused any', 'endpoint.recovered any']);
  });

  it('is reported with the time at which its problem began, even if the report is late', async () => {
    fail('down', 3_600_000);
    await pass(60_000);
    expect(report.takeChanges()).toMatchObject([{ endpointKey: 'down', state: 'failing', since: 5000 }]);
  });
});

describe('the state of an endpoint', () => {
  it('is reported when it has changed, and not again', () => {
    permitFor('any').release(answer(200));
    expect(report.takeChanges()).toMatchObject([{ endpointKey: 'any', state: 'flowing', successes: 1 }]);
    expect(report.takeChanges()).toEqual([]);
  });

  it('is reported in a later flush if more endpoints have changed than one flush takes', async () => {
    for (let number = 0; number < 6000; number++) permitFor(`e${number}`).release(answer(200));
    await pass(1);
    expect(report.takeChanges()).toHaveLength(5000);
    await pass(1);
    for (let number = 0; number < 6000; number++) permitFor(`e${number}`).release(answer(200));
    const told = report.takeChanges().map(({ endpointKey }) => endpointKey);
    expect(told).toEqual(
      expect.arrayContaining(Array.from({ length: 1000 }, (_, more) => `e${5000 + more}`)),
    );
  });

  it('is forgotten ten minutes after the last attempt, once the recovery of the endpoint is reported', async () => {
    fail('dead', 60_000);
    expect(report.takeChanges()).toMatchObject([{ state: 'failing' }]);
    await pass(700_000);
    expect([...admission.endpoints()]).toHaveLength(1);
    expect(report.takeChanges()).toMatchObject([{ state: 'flowing' }]);
    await pass(5000);
    expect([[...admission.endpoints()], logged]).toEqual([
      [],
      ['endpoint.unhealthy dead', 'endpoint.recovered dead'],
    ]);
  });

  it('is not shown in trouble for ever if the endpoint is evicted because there are too many', async () => {
    fail('down', 3_600_000);
    expect(report.takeChanges()).toMatchObject([{ endpointKey: 'down', state: 'failing' }]);
    for (let number = 0; number < 10_000; number++) {
      fail(`other${number}`, 3_600_000);
      if (number % 100 === 0) await pass(100);
    }
    expect([...admission.endpoints()].some(({ key }) => key === 'down')).toBe(false);
    const down = report.takeChanges().filter(({ endpointKey }) => endpointKey === 'down');
    expect(down).toMatchObject([{ state: 'flowing', why: null, parked: null }]);
    expect(report.takeChanges().filter(({ endpointKey }) => endpointKey === 'down')).toEqual([]);
  });

  it('is healthy again without messages for ten minutes, also while the origin is down and others test it', async () => {
    const row = (key: string) => ({ ...target(key), origin: 'https://a.example', hostname: 'a.example' });
    const outcome = { kind: 'unreachable', code: 'ECONNREFUSED', detail: 'refused' } as Attempt['outcome'];
    const refused: Attempt = { outcome, startedAt: 0, durationMs: 5 };
    const refuse = (key: string) => {
      const granted = admission.admit(row(key), { isParkedCopy: false, isRetry: false, cannotPark: false });
      if ('kind' in granted && granted.kind === 'permit') granted.release(refused);
    };
    refuse('idle');
    const states = new Set<string>();
    for (let s = 0; s < 700; s += 5) {
      for (let more = 0; more < 3; more++) refuse('used');
      await pass(5000);
      for (const { endpointKey, state } of report.takeChanges())
        if (endpointKey === 'idle') states.add(`${s < 620 ? 'at first' : 'later'} ${state}`);
    }
    expect([...states]).toEqual(['at first failing', 'at first flowing']);
  });

  it('is forgotten even if takeChanges is never called', async () => {
    fail('dead');
    await pass(700_000);
    expect([...admission.endpoints()]).toEqual([]);
  });
});
