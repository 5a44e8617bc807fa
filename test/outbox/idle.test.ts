import { describe, expect, it, onTestFinished } from 'vitest';
import { Idle } from '../../src/outbox/idle.ts';
import type { Alarm } from '../../src/outbox/ports.ts';
import { HandClock } from '../support/hand-clock.ts';

/** An alarm that records what was asked of it. */
class RecordedAlarm implements Alarm {
  canRing = true;
  canArm = true;
  readonly asked: string[] = [];
  #listener: (isLost: boolean) => void = () => {};

  async arm(): Promise<boolean> {
    this.asked.push('arm');
    return this.canArm;
  }
  disarm(): void {
    this.asked.push('disarm');
  }
  onRing(listener: (isLost: boolean) => void): void {
    this.#listener = listener;
  }
  ring(isLost = false): void {
    this.#listener(isLost);
  }
}

/** Two loops that find nothing, and how often each has looked. */
function scene({ canArm = true } = {}) {
  const [clock, alarm] = [new HandClock(), new RecordedAlarm()];
  alarm.canArm = canArm;
  const idle = new Idle({ loops: 2, alarm, clock, pace: { pollMs: 1000, isPollSet: false } });
  const loops = [
    { looks: 0, finds: 0 },
    { looks: 0, finds: 0 },
  ];
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  const run = async (loop: (typeof loops)[number]) => {
    while (!isOver) {
      idle.looking(loop);
      loop.looks += 1;
      if (loop.finds > 0) {
        idle.found(loop, loop.finds);
        await new Promise<void>((resolve) => void clock.after(10, resolve));
      } else await idle.rest(loop, Number.POSITIVE_INFINITY);
    }
  };
  for (const loop of loops) void run(loop);
  const looks = () => loops.map((loop) => loop.looks);
  return { clock, alarm, idle, loops, looks };
}

describe('loops that find nothing', () => {
  it('look once more after the alarm is armed, and then sleep until OUTBOX_POLL_MS is over', async () => {
    const { clock, alarm, looks } = scene();
    await clock.advanceAsync(0);
    expect(alarm.asked).toEqual(['arm']);
    expect(looks()).toEqual([2, 2]);
    await clock.advanceAsync(999);
    expect(looks()).toEqual([2, 2]);
    await clock.advanceAsync(1);
    expect(looks()).toEqual([3, 3]);
    expect(alarm.asked).toEqual(['arm']);
  });

  it('look at once when the alarm rings', async () => {
    const { clock, alarm, looks } = scene();
    await clock.advanceAsync(500);
    alarm.ring();
    await clock.advanceAsync(0);
    expect(looks()).toEqual([3, 3]);
  });

  it('disarm the alarm as soon as one of them finds something, and arm it when both are idle again', async () => {
    const { clock, alarm, loops } = scene();
    await clock.advanceAsync(500);
    loops[0]!.finds = 1;
    alarm.ring();
    await clock.advanceAsync(100);
    expect(alarm.asked).toEqual(['arm', 'disarm']);
    loops[0]!.finds = 0;
    await clock.advanceAsync(100);
    expect(alarm.asked).toEqual(['arm', 'disarm', 'arm']);
  });

  it('look every 5 ms while rows come fast, and leave commits alone until they come slowly', async () => {
    const { clock, alarm, loops, looks } = scene();
    await clock.advanceAsync(500);
    loops[0]!.finds = 50;
    alarm.ring();
    await clock.advanceAsync(100);
    loops[0]!.finds = 0;
    const before = looks();
    await clock.advanceAsync(200);
    const [busy, other] = looks().map((count, index) => count - before[index]!);
    expect(busy).toBeGreaterThanOrEqual(39);
    expect(other).toBeLessThanOrEqual(11);
    expect(alarm.asked).toEqual(['arm', 'disarm']);
    await clock.advanceAsync(1000);
    expect(alarm.asked).toEqual(['arm', 'disarm', 'arm']);
  });

  it('look by themselves while one of them leaves rows out, because their commits would ring for nothing', async () => {
    const [clock, alarm] = [new HandClock(), new RecordedAlarm()];
    const idle = new Idle({ loops: 1, alarm, clock, pace: { pollMs: 1000, isPollSet: false } });
    const loop = {};
    let looks = 0;
    const run = async (leavesOut: boolean, until: number) => {
      while (looks < until) {
        idle.looking(loop);
        looks += 1;
        await idle.rest(loop, Number.POSITIVE_INFINITY, leavesOut);
      }
    };
    const held = run(true, 11);
    await clock.advanceAsync(220);
    await held;
    expect([looks, alarm.asked]).toEqual([11, []]);
    void run(false, 13);
    await clock.advanceAsync(0);
    expect(alarm.asked).toEqual(['arm']);
  });

  it('look every 20 ms while a writer is under way, which would not ring', async () => {
    const { clock, looks } = scene({ canArm: false });
    await clock.advanceAsync(100);
    expect(looks()[0]).toBeGreaterThanOrEqual(5);
  });

  it('look every 20 ms while the alarm cannot ring, and never arm it', async () => {
    const { clock, alarm, looks } = scene();
    await clock.advanceAsync(0);
    alarm.canRing = false;
    alarm.ring(true);
    const before = looks()[0]!;
    await clock.advanceAsync(200);
    expect(looks()[0]! - before).toBe(11);
    expect(alarm.asked).toEqual(['arm']);
  });

  it('leave commits alone while one of them waits after a failure, and a ring does not end that wait', async () => {
    const { clock, alarm, idle } = scene();
    await clock.advanceAsync(500);
    let isOver = false;
    void idle.pause({}, 5000).then(() => {
      isOver = true;
    });
    alarm.ring();
    await clock.advanceAsync(4999);
    expect([isOver, alarm.asked]).toEqual([false, ['arm', 'disarm']]);
    await clock.advanceAsync(1);
    expect(isOver).toBe(true);
  });

  it('stop waiting when they are stopped', async () => {
    const [clock, alarm, loop] = [new HandClock(), new RecordedAlarm(), {}];
    const idle = new Idle({ loops: 1, alarm, clock, pace: { pollMs: 1000, isPollSet: false } });
    await idle.rest(loop, Number.POSITIVE_INFINITY);
    idle.looking(loop);
    const waiting = idle.rest(loop, Number.POSITIVE_INFINITY);
    idle.stop();
    await waiting;
    await idle.pause(loop, 1000);
    expect(alarm.asked).toEqual(['arm', 'disarm']);
  });
});
