import { type Pace, RowRate, untilNextLook } from '../core/outbox/pace.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Alarm } from './ports.ts';

export type IdleOptions = {
  /** How many loops share it. */
  readonly loops: number;
  readonly alarm: Alarm;
  readonly clock: Clock;
  readonly pace: Omit<Pace, 'canBeWoken'>;
};

type LookState = {
  /** Empty looks in a row. */
  empty: number;
  /** Since which arming the loop looks. */
  sinceArming: number;
  /** Rows of its queue are left out: commits of further ones would wake it for nothing. */
  leavesOut: boolean;
  readonly rate: RowRate;
};

/**
 * Where loops wait that found nothing. Only when all loops wait, the alarm is armed, because an armed alarm makes the commits of
 * users dearer. Then each loop looks once more, because a commit may have come before, and sleeps until the alarm rings, or until
 * OUTBOX_POLL_MS is over.
 */
export class Idle {
  readonly #options: IdleOptions;
  /** What ends the wait of each loop that rests. */
  readonly #waiting = new Map<object, () => void>();
  /** The same for loops that failed. A ring does not end their waits. */
  readonly #paused = new Map<object, () => void>();
  readonly #looks = new Map<object, LookState>();
  #armings = 0;
  #isArmed = false;
  #isArming = false;
  #isStopped = false;

  constructor(options: IdleOptions) {
    this.#options = options;
    options.alarm.onRing((isLost) => {
      if (isLost) this.#isArmed = false;
      this.#wakeAll();
    });
  }

  /** To be called before each look. */
  looking(loop: object): void {
    this.#stateOf(loop).sinceArming = this.#isArmed ? this.#armings : 0;
  }

  /** To be called when a look found rows. */
  found(loop: object, rows: number): void {
    const state = this.#stateOf(loop);
    state.empty = 0;
    state.rate.add(rows, this.#options.clock.now());
    this.#disarm();
  }

  /**
   * Resolves when the loop is to look again.
   *
   * @param atMostMs Not later than this, in milliseconds.
   * @param leavesOut Rows of its queue wait for a reason.
   */
  async rest(loop: object, atMostMs: number, leavesOut = false): Promise<void> {
    if (this.#isStopped) return;
    const { alarm, pace, loops, clock } = this.#options;
    const state = this.#stateOf(loop);
    state.empty += 1;
    state.leavesOut = leavesOut;
    if (leavesOut) this.#disarm();
    if (this.#isArmed && state.sinceArming === this.#armings)
      return this.#wait(this.#waiting, loop, Math.min(pace.pollMs, atMostMs));
    // Armed after this look began: a commit may have come in between.
    if (this.#isArmed) return;
    const isBusy = state.rate.isBusy(clock.now());
    const shortMs = untilNextLook(state.empty, isBusy, { ...pace, canBeWoken: alarm.canRing });
    const waiting = this.#wait(this.#waiting, loop, Math.min(shortMs, atMostMs));
    if (this.#waiting.size === loops && this.#paused.size === 0 && this.#maySleep()) void this.#arm();
    await waiting;
  }

  /**
   * Waits so long, or until `stop`. For a loop that failed, in milliseconds. Meanwhile, the alarm is not armed: a ring would be of no
   * use, and commits would pay for it as long as NATS is away.
   */
  pause(loop: object, ms: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    this.#disarm();
    return this.#wait(this.#paused, loop, ms);
  }

  /** Ends every wait, now and later. */
  stop(): void {
    this.#isStopped = true;
    this.#disarm();
    this.#wakeAll();
    for (const end of [...this.#paused.values()]) end();
  }

  async #arm(): Promise<void> {
    const { alarm } = this.#options;
    if (this.#isArming || this.#isArmed || !alarm.canRing) return;
    this.#isArming = true;
    const isArmed = await alarm.arm();
    this.#isArming = false;
    if (!isArmed) return;
    if (this.#isStopped || this.#paused.size > 0) return alarm.disarm();
    this.#isArmed = true;
    this.#armings += 1;
    this.#wakeAll();
  }

  #maySleep(): boolean {
    const now = this.#options.clock.now();
    return [...this.#looks.values()].every(({ rate, leavesOut }) => !leavesOut && !rate.isBusy(now));
  }

  #disarm(): void {
    if (!this.#isArmed) return;
    this.#isArmed = false;
    this.#options.alarm.disarm();
  }

  #wait(waits: Map<object, () => void>, loop: object, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        waits.delete(loop);
        resolve();
      };
      const cancel = this.#options.clock.after(ms, end);
      waits.set(loop, end);
    });
  }

  #wakeAll(): void {
    for (const end of [...this.#waiting.values()]) end();
  }

  #stateOf(loop: object): LookState {
    const known = this.#looks.get(loop);
    if (known !== undefined) return known;
    const state = { empty: 0, sinceArming: 0, leavesOut: false, rate: new RowRate() };
    this.#looks.set(loop, state);
    return state;
  }
}
