import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../src/core/capacity/endpoint-limits.ts';
import type { Target } from '../../../src/core/request/target.ts';
import type { Attempt } from '../../../src/core/retry/attempt.ts';
import { Admission } from '../../../src/delivery/admission/admission.ts';
import { HandClock } from '../../support/hand-clock.ts';

const FRESH = { isParkedCopy: false, isRetry: false, cannotPark: false };

let clock: HandClock;
let admission: Admission;
beforeEach(() => {
  clock = new HandClock();
  admission = new Admission({
    slots: 100,
    unresponsiveAfterMs: 200,
    retryAfterMaxMs: 3_600_000,
    maxEndpoints: 1000,
    isBusy: () => false,
    limits: NO_LIMITS,
    log: { info() {} },
    clock,
    random: () => 0.5,
  });
});

/** A row of rule_webhooks at the one host of these tests. */
const row = (name: string) =>
  ({ endpointKey: name, origin: 'https://a.example', hostname: 'a.example' }) as unknown as Target;

function responded(status: number): Attempt {
  const outcome = { kind: 'responded', status, retryAfterMs: null, excerpt: null } as const;
  return { outcome, startedAt: 0, durationMs: 50 };
}

/** True if the attempt was made at once. A message that waits in its slot is sent if it gets a permit. */
function send(name: string, status: number): boolean {
  const answer = admission.admit(row(name), FRESH);
  if ('then' in answer) {
    void answer.then((later) => later.kind === 'permit' && later.release(responded(status)));
    return false;
  }
  if (answer.kind === 'permit') answer.release(responded(status));
  return answer.kind === 'permit';
}

/** The rows fail by turns for this long, as often as they may. */
async function failByTurns(ms: number, ...names: string[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    for (const name of names) send(name, 503);
    await clock.advanceAsync(50);
  }
}

describe('rows of one host that fail by turns', () => {
  it.each([20_000, 60_000, 3_600_000])('close no row whose last message succeeded %d ms ago', async (ms) => {
    expect(send('quiet', 200)).toBe(true);
    await failByTurns(ms, 'a', 'b');
    expect(admission.isClosedFor(row('quiet'))).toBe(true);
    expect(send('quiet', 200)).toBe(true);
    expect(admission.isClosedFor(row('quiet'))).toBe(false);
  });

  it('close a row that fails, too', async () => {
    send('quiet', 200);
    await failByTurns(20_000, 'a', 'b');
    send('quiet', 503);
    expect(send('quiet', 503)).toBe(false);
  });

  it('leave an origin alone where all rows fail, however many succeeded before', async () => {
    const rows = Array.from({ length: 100 }, (_, number) => `row${number}`);
    for (const name of rows) send(name, 200);
    await failByTurns(60_000, 'a', 'b');
    const sent = rows.filter((name) => send(name, 503));
    expect(sent).toHaveLength(3);
  });
});
