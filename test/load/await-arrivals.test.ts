import { describe, expect, test } from 'vitest';
import { awaitArrivals, awaitQuiet, type Outlook, whyGiveUp } from '../../src/load/await-arrivals.ts';
import { Ledger } from '../../src/load/ledger.ts';
import { HandClock } from '../support/hand-clock.ts';

const BUSY: Outlook = { openPulls: 4, ackPending: 2, stored: 2, enqueued: 0 };
const UNKNOWN: Outlook = { openPulls: null, ackPending: null, stored: null, enqueued: null };

test.each<[outlook: Partial<Outlook>, idleMs: number, why: RegExp | null]>([
  [{}, 89_999, null],
  [{}, 90_000, /^No request has come for 90 s \(--wait\)\.$/],
  [{ stored: 0 }, 2999, null],
  [{ stored: 0 }, 3000, /no message left/],
  [{ openPulls: 0, ackPending: 0 }, 9999, null],
  [{ openPulls: 0, ackPending: 0 }, 10_000, /^No worker runs/],
  [{ openPulls: 0 }, 89_999, null],
  [{ openPulls: 0 }, 90_000, /No worker asks NATS/],
  [UNKNOWN, 89_999, null],
  [UNKNOWN, 90_000, /--wait/],
  [{ stored: 0, enqueued: null }, 89_999, null],
  [{ stored: 0, enqueued: 1 }, 89_999, null],
  [
    { stored: 0, enqueued: 1 },
    90_000,
    /--wait\)\. In the outbox, 1 row waits for a relay: start one with `relay`\.$/,
  ],
  [{ stored: 0, enqueued: 20 }, 90_000, /20 rows wait/],
])('with %j, after %i ms without a request, the wait ends: %s', (outlook, idleMs, why) => {
  const said = whyGiveUp({ ...BUSY, ...outlook }, idleMs, 90_000);
  if (why === null) expect(said).toBeNull();
  else expect(said).toMatch(why);
});

describe('the wait', () => {
  function startWait(outlook: Outlook) {
    const clock = new HandClock();
    const ledger = new Ledger();
    const stopping = new AbortController();
    for (const id of ['a', 'b']) ledger.sent(0, { kind: 'accepted', id, duplicate: false });
    const why = awaitArrivals({
      ledger,
      look: async () => outlook,
      waitMs: 90_000,
      signal: stopping.signal,
      clock,
    });
    return { clock, ledger, why, stop: () => stopping.abort() };
  }

  test('ends when every message has arrived', async () => {
    const { clock, ledger, why } = startWait(BUSY);
    ledger.arrived('a', 0, 200);
    await clock.advanceAsync(5000);
    ledger.arrived('b', clock.now(), 200);
    await clock.advanceAsync(500);
    expect(await why).toBeNull();
  });

  test('begins anew with each request', async () => {
    const { clock, ledger, why } = startWait(BUSY);
    await clock.advanceAsync(80_000);
    ledger.arrived('a', clock.now(), 500);
    await clock.advanceAsync(80_000);
    ledger.arrived('a', clock.now(), 200);
    ledger.arrived('b', clock.now(), 200);
    await clock.advanceAsync(500);
    expect(await why).toBeNull();
  });

  test('ends soon where no worker runs', async () => {
    const { clock, why } = startWait({ ...BUSY, openPulls: 0, ackPending: 0 });
    await clock.advanceAsync(10_500);
    expect(await why).toMatch(/No worker runs/);
  });

  test('ends at once when it is interrupted', async () => {
    const { clock, why, stop } = startWait(BUSY);
    await clock.advanceAsync(100);
    stop();
    expect(await why).toMatch(/interrupted/);
  });
});

test.each<[string, Outlook[], number]>([
  ['ends at once where nothing is left', [{ ...BUSY, stored: 0 }], 0],
  [
    'ends when the outbox and NATS are empty',
    [BUSY, { ...BUSY, stored: 0, enqueued: 3 }, { ...BUSY, stored: 0 }],
    1000,
  ],
  ['ends after 10 s, whatever others send', [BUSY], 10_000],
  ['ends after 10 s where NATS does not say', [UNKNOWN], 10_000],
])('the wait for quiet %s', async (_name, outlooks, tookMs) => {
  const clock = new HandClock();
  let looks = 0;
  let endedAt: number | null = null;
  const startedAt = clock.now();
  const look = async () => outlooks[Math.min(looks++, outlooks.length - 1)]!;
  const quiet = awaitQuiet({ look, signal: new AbortController().signal, clock }).then(() => {
    endedAt = clock.now() - startedAt;
  });
  for (let step = 0; step < 24; step++) await clock.advanceAsync(500);
  await quiet;
  expect(endedAt).toBe(tookMs);
});
