import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { DeliverySteps } from '../../src/delivery/handle-message.ts';
import { Intake } from '../../src/delivery/intake.ts';
import type { Message } from '../../src/delivery/message.ts';
import { Slots } from '../../src/delivery/slots.ts';
import { message } from './messages.ts';

/** An intake whose steps write down where a message went, and end its journey at once. */
function open({ concurrency = 2, fails = false } = {}) {
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
      onMessage: () => void done.push('waits for its order'),
      onFinished: () => void done.push('order goes on'),
    },
    share: {
      started: () => void done.push('parked slot taken'),
      finished: () => void done.push('parked slot given back'),
    },
    log: pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) }),
    now: () => 1000,
  });
  return { intake, slots, done, lines };
}

describe('a message that a source delivers', () => {
  it('is held, and has a slot for its journey', async () => {
    const { intake, slots, done } = open();
    intake.onMessage(message({}));
    expect(slots.busy()).toBe(1);
    await slots.whenIdle(1000);
    expect(done).toEqual(['held', 'steps, 1 busy']);
  });

  it('takes a slot of the parked ones if it was parked', async () => {
    const { intake, slots, done } = open();
    intake.onMessage(message({}, { isParkedCopy: true }));
    await slots.whenIdle(1000);
    expect(done).toEqual(['held', 'parked slot taken', 'steps, 1 busy', 'parked slot given back']);
  });

  it('is held, and makes its journey outside the slots if none is free', async () => {
    const { intake, slots, done } = open({ concurrency: 1 });
    let free = () => {};
    const busy = slots.run(() => new Promise((resolve) => (free = resolve)));
    await intake.proceed(message({}));
    free();
    await busy;
    expect(done).toEqual(['steps, 1 busy']);
  });

  it('waits for its order if it keeps one, and has a slot when its order calls it', async () => {
    const { intake, slots, done } = open();
    const given = message({}, { orderingKey: 'webhooks.ordered.k' });
    intake.onMessage(given);
    expect([done, slots.busy()]).toEqual([['held', 'waits for its order'], 0]);
    await intake.runInSlot(given);
    expect(done.slice(2)).toEqual(['ordered steps, 1 busy', 'order goes on']);
  });

  it('goes back until its time if it comes before that', () => {
    const { intake, done } = open();
    intake.onMessage(message({}, { isFirstDeliveryOfDelayed: true, notBefore: 5000 }));
    intake.onMessage(message({}, { isFirstDeliveryOfDelayed: true, notBefore: 500 }));
    expect(done).toEqual(['nak 4000', 'nak 0']);
  });

  it('that meets a bug of the worker is logged and tried again later, and its slot is free again', async () => {
    const { intake, slots, done, lines } = open({ fails: true });
    intake.onMessage(message({}));
    expect(await slots.whenIdle(1000)).toBe(true);
    expect(done.at(-1)).toBe('nak 5000');
    expect(lines).toMatchObject([{ msg: 'delivery.internal_error', error: 'a bug' }]);
  });
});
