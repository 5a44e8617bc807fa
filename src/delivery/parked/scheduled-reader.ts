import { type ScheduledQueue, scheduledQueue } from '../../core/scheduled-queue.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';
import type { Drain } from '../admission/tracked-endpoint.ts';
import { OpenQueues } from '../queue-pool.ts';
import type { ParkedQueues } from './parked-reader.ts';

export type ScheduleOptions = {
  readonly queues: Pick<ParkedQueues, 'open'>;
  /** How many messages may come now, from all queues together. */
  free(): number;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  at(): number;
};

/** How often it is looked what is due, in milliseconds. */
const LOOK_EVERY_MS = 100;
/** Queues that are open at once: more than one or two only after all workers were away. */
const MOST_OPEN = 32;
/** A queue of which all may come out is closed when nothing has come for this long, in milliseconds. What is left there is listed again. */
const IDLE_MS = 1000;
/** One that could not be opened is tried again after this long, in milliseconds. */
const AGAIN_MS = 1000;

type Open = { readonly queue: ScheduledQueue; readonly drain: Drain; readonly activity: { at: number } };

/** Takes messages out that wait for their time, when it comes: those of each day and minute from the queue of that one. */
export class Schedule implements Service {
  readonly name = 'schedule';
  readonly #options: ScheduleOptions;
  /** Queues that hold something, and are not open. */
  readonly #waiting = new Map<string, ScheduledQueue>();
  readonly #open = new OpenQueues<Open>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const { queue } of this.#open.all()) this.#open.end(queue.key);
    await this.#open.ended();
  }

  /** A message was put into this queue here. */
  parked(key: string): void {
    const open = this.#open.get(key);
    if (open !== undefined) open.activity.at = this.#options.now();
    else this.#add(key);
  }

  /** Takes its own queues out of a list of all that hold something, and returns the others. */
  sift(listed: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const others = new Map<string, number>();
    for (const [key, count] of listed) if (!this.#add(key)) others.set(key, count);
    return others;
  }

  /** @returns False where it is the queue of an endpoint. */
  #add(key: string): boolean {
    if (this.#waiting.has(key) || this.#open.has(key)) return true;
    const queue = scheduledQueue(key);
    if (queue !== null) this.#waiting.set(key, queue);
    return queue !== null;
  }

  #look(): void {
    const at = this.#options.at();
    for (const { queue, drain, activity } of this.#open.all()) {
      const isIdle = this.#options.now() - activity.at > IDLE_MS;
      if (isIdle && queue.endsAt + IDLE_MS <= at) this.#open.end(queue.key);
      else drain.wake();
    }
    const due = [...this.#waiting.values()].filter(({ opensAt }) => opensAt <= at);
    due.sort((one, other) => one.opensAt - other.opensAt);
    const left = MOST_OPEN - this.#open.size;
    for (const queue of due.slice(0, Math.max(0, left))) void this.#begin(queue);
  }

  async #begin(queue: ScheduledQueue): Promise<void> {
    const { key } = queue;
    this.#waiting.delete(key);
    const open = await this.#open
      .begin(key, () => this.#pull(queue))
      .catch((error) => {
        const what = 'messages that are due cannot be taken out';
        this.#options.log.error({ queue: key, error: errorMessage(error) }, what);
        return null;
      });
    if (open === null) this.#waiting.set(key, { ...queue, opensAt: this.#options.at() + AGAIN_MS });
    else if (this.#stopped) this.#open.end(key);
  }

  async #pull(queue: ScheduledQueue): Promise<Open | null> {
    const { queues, free, now } = this.#options;
    const activity = { at: now() };
    const drain = await queues.open(queue.key, {
      free: () => (this.#stopped ? 0 : Math.ceil(free() / Math.max(1, this.#open.size))),
      came: () => {
        activity.at = now();
      },
    });
    return drain && { queue, drain, activity };
  }
}
