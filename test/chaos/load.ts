import { setTimeout as wait } from 'node:timers/promises';
import {
  type MisbehavingEndpoint,
  startMisbehavingEndpoint,
} from '../../src/receiver/misbehaving-endpoint.ts';
import { startReceiver } from '../../src/receiver/receiver.ts';

/** Stores one message. Resolves to true if NATS has confirmed it. */
export type Publish = (id: string, url: string) => Promise<boolean>;

/** Messages that are published during a fault, and endpoints that record them. Times are on the clock of `performance.now()`. */
export interface ChaosLoad {
  /** The times of the requests to the healthy endpoint, in arrival order. */
  readonly arrivals: readonly number[];
  /** The other endpoint. It is healthy until it is told to misbehave. */
  readonly misbehaving: MisbehavingEndpoint;
  /** Resolves when `more` requests have arrived at the healthy endpoint, or the time is over. */
  arrived(more: number): Promise<void>;
  /** Publishes `count` messages at once for the healthy endpoint. */
  burst(count: number): Promise<void>;
  /** Publishes nothing more until `resume`. Resolves when NATS has confirmed or not confirmed every message. */
  quiet(): Promise<void>;
  resume(): void;
  /** Messages that NATS has confirmed. */
  accepted(): number;
  /** Messages that NATS has not confirmed. They may be stored or not. */
  refused(): number;
  /** Ids of confirmed messages that have not arrived. */
  missing(): string[];
  /** Requests with an id that was answered with a 2xx before. */
  doubled(): number;
  stop(): Promise<void>;
}

export type ChaosLoadOptions = {
  /** Paths of the misbehaving endpoint, used in turn. Empty: all messages go to the healthy endpoint. */
  readonly misbehavingPaths: readonly string[];
  /** When all waits end, on the clock of `performance.now()`. */
  readonly givesUpAt: number;
};

/** Time between two messages for the same endpoint, in milliseconds. */
const EVERY_MS = 20;
/** Response time of the healthy endpoint, in milliseconds. So some attempts are always in flight. */
const ENDPOINT_MS = 200;
const LOOK_EVERY_MS = 20;

export async function startChaosLoad(
  publish: Publish,
  { misbehavingPaths, givesUpAt }: ChaosLoadOptions,
): Promise<ChaosLoad> {
  const confirmed = new Set<string>();
  /** How often each id has arrived at the healthy endpoint. */
  const received = new Map<string, number>();
  const arrivals: number[] = [];
  const inFlight = new Set<Promise<void>>();
  let refused = 0;
  let published = 0;
  let ticks = 0;
  let paused = false;

  const healthy = await startReceiver({ keepBodyBytes: 0, delayMs: ENDPOINT_MS }, ({ webhookId = '' }) => {
    arrivals.push(performance.now());
    received.set(webhookId, (received.get(webhookId) ?? 0) + 1);
  });
  const misbehaving = await startMisbehavingEndpoint();
  misbehaving.recover();

  function publishTo(url: string): void {
    const id = `load-${++published}`;
    const publishing = publish(id, url)
      .then((isConfirmed) => {
        if (isConfirmed) confirmed.add(id);
        else refused++;
      })
      .finally(() => inFlight.delete(publishing));
    inFlight.add(publishing);
  }

  const timer = setInterval(() => {
    if (paused) return;
    publishTo(healthy.url);
    const path = misbehavingPaths[ticks++ % misbehavingPaths.length];
    if (path !== undefined) publishTo(misbehaving.url + path);
  }, EVERY_MS);

  /** How often each id was answered with a 2xx. */
  function answered(): Map<string, number> {
    const times = new Map(received);
    for (const request of misbehaving.requests) {
      if (request.answered) times.set(request.webhookId, (times.get(request.webhookId) ?? 0) + 1);
    }
    return times;
  }

  return {
    arrivals,
    misbehaving,
    async arrived(more) {
      const goal = arrivals.length + more;
      while (arrivals.length < goal && performance.now() < givesUpAt) await wait(LOOK_EVERY_MS);
    },
    async burst(count) {
      for (let more = 0; more < count; more++) publishTo(healthy.url);
      await Promise.all(inFlight);
    },
    async quiet() {
      paused = true;
      await Promise.all(inFlight);
    },
    resume() {
      paused = false;
    },
    accepted: () => confirmed.size,
    refused: () => refused,
    missing() {
      const times = answered();
      return [...confirmed].filter((id) => !times.has(id));
    },
    doubled: () => [...answered().values()].reduce((sum, times) => sum + times - 1, 0),
    async stop() {
      clearInterval(timer);
      await Promise.all(inFlight);
      await Promise.all([healthy.close(), misbehaving.close()]);
    },
  };
}
