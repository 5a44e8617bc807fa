import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { DeliverySteps } from '../../src/delivery/handle-message.ts';
import { Intake } from '../../src/delivery/intake.ts';
import type { Message } from '../../src/delivery/message.ts';
import { Slots } from '../../src/delivery/slots.ts';
import { message } from './messages.ts';

/** An intake whose steps record each message in `done`, and end at once. */
function createIntake({ concurrency = 2, fails = false } = {}) {
  const done: string[] = [];
  const lines: { msg: string }[] = [];
  const slots = new Slots(concurrency);
  const stepsOf = (name: string) =>
    ({
      parse() {
        done.push(`${name}, ${slots.busy()} busy`);
        if (fails) throw new Error('a bug');
        return { kind: 'malformed', detail: 'for this test' };
      },
      registry: () => null,
      maxAgeMs: 0,
      policy: { maxAttempts: 1 },
      now: () => 1000,
      random: () => 0.5,
      retryVia: () => 'nak',
      settle: async () => ({ kind: 'ack' }),
      record: () => {},
    }) as unknown as DeliverySteps<Message>;
  const intake = new Intake<Message>({
    effects: {
      hold: () => void done.push('held'),
      nak: (_, delayMs) => void done.push(`nak ${delayMs}`),
    },
    slots,
    steps: stepsOf('steps'),
    orderedSteps: stepsOf('ordered steps'),
    dispatcher: {
      onMessage: () => void done.push('given to the dispatcher'),
      onFinished: () => void done.push('dispatcher notified'),
    },
    share: {
      started: () => void done.push('parked slot taken'),
      finished: () => void done.push('parked slot released'),
    },
    log: pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) }),
    now: () => 1000,
  });
  return { intake, slots, done, lines };
}

describe('a message of a source', () => {
  it('is held, and is processed in a slot', async () => {
    const { intake, slots, done } = createIntake();
    intake.onMessage(message({}));
    expect(slots.busy()).toBe(1);
    await slots.whenIdle(1000);
    expect(done).toEqual(['held', 'steps, 1 busy']);
  });

  it('takes a slot of the parked share if it is a parked copy', async () => {
    const { intake, slots, done } = createIntake();
    intake.onMessage(message({}, { isParkedCopy: true }));
    await slots.whenIdle(1000);
    expect(done).toEqual(['held', 'parked slot taken', 'steps, 1 busy', 'parked slot released']);
  });

  it('is processed without a slot if no slot is free', async () => {
    const { intake, slots, done } = createIntake({ concurrency: 1 });
    let free = () => {};
    const busy = slots.run(() => new Promise((resolve) => (free = resolve)));
    await intake.proceed(message({}));
    free();
    await busy;
    expect(done).toEqual(['steps, 1 busy']);
  });

  it('goes to the dispatcher if it is ordered, and takes a slot when the dispatcher starts it', async () => {
    const { intake, slots, done } = createIntake();
    const given = message({}, { orderingKey: 'webhooks.ordered.k' });
    intake.onMessage(given);
    expect([done, slots.busy()]).toEqual([['held', 'given to the dispatcher'], 0]);
    await intake.runInSlot(given);
    expect(done.slice(2)).toEqual(['ordered steps, 1 busy', 'dispatcher notified']);
  });

  it('is delivered again when it is due if NATS delivers it before', () => {
    const { intake, done } = createIntake();
    intake.onMessage(message({}, { isFirstDeliveryOfDelayed: true, notBefore: 5000 }));
    intake.onMessage(message({}, { isFirstDeliveryOfDelayed: true, notBefore: 500 }));
    expect(done).toEqual(['nak 4000', 'nak 0']);
  });

  it('is looked at again after 62 s if it is scheduled and its time is further away', () => {
    const { intake, done } = createIntake();
    const early = { isParkedCopy: true, isFirstDeliveryOfDelayed: true, notBefore: 3_600_000 };
    intake.onMessage(message({}, early));
    intake.onMessage(message({}, { ...early, parkedEndpointKey: 'shop-0a1b2c3d' }));
    expect(done).toEqual(['nak 62000', 'nak 3599000']);
  });

  it('is delivered again after 5 s if the worker has a bug, which is logged, and its slot is free again', async () => {
    const { intake, slots, done, lines } = createIntake({ fails: true });
    intake.onMessage(message({}));
    expect(await slots.whenIdle(1000)).toBe(true);
    expect(done.at(-1)).toBe('nak 5000');
    expect(lines).toMatchObject([{ msg: 'delivery.internal_error', error: 'a bug' }]);
  });
});
