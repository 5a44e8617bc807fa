import { setTimeout as wait } from 'node:timers/promises';
import {
  type MisbehavingEndpoint,
  startMisbehavingEndpoint,
} from '../../src/receiver/misbehaving-endpoint.ts';
import { startReceiver } from '../../src/receiver/receiver.ts';

/** Stores one message; resolves to whether NATS has confirmed it. */
export type Publish = (id: string, url: string) => Promise<boolean>;

/** Published all the time while something is broken, and endpoints that note what arrives. Times are `performance.now()`. */
export interface ChaosLoad {
  /** When anything arrived at the healthy endpoint, in its order. */
  readonly arrivals: readonly number[];
  /** The other endpoint: well until it is told to misbehave. */
  readonly troubled: MisbehavingEndpoint;
  /** Resolves when so many more have arrived at the healthy one, or the time is over. */
  arrived(more: number): Promise<void>;
  /** Publishes so many more at once, for the healthy endpoint. */
  burst(count: number): Promise<void>;
  /** Publishes nothing more until `resume`. Resolves when NATS has confirmed what was published, or will not. */
  quiet(): Promise<void>;
  resume(): void;
  /** Messages that NATS has confirmed. */
  accepted(): number;
  /** Messages that NATS has not confirmed: they may be stored or not. */
  refused(): number;
  /** Ids that NATS has confirmed, and that have not arrived. */
  missing(): string[];
  /** Requests with an id that had been answered with a 2xx before. */
  doubled(): number;
  stop(): Promise<void>;
}

export type ChaosLoadOptions = {
  /** Paths of the troubled endpoint, in turn. Empty: all goes to the healthy one. */
  readonly troubledPaths: readonly string[];
  /** When waiting is given up, on the clock of `performance.now()`. */
  readonly givesUpAt: number;
};

/** A message for each endpoint. */
const EVERY_MS = 20;
/** How long the healthy endpoint takes: so that some attempts are always under way. */
const ENDPOINT_MS = 200;
const LOOK_EVERY_MS = 20;

export async function startChaosLoad(
  publish: Publish,
  { troubledPaths, givesUpAt }: ChaosLoadOptions,
): Promise<ChaosLoad> {
  const confirmed = new Set<string>();
  /** At the healthy endpoint: how often each id. */
  const received = new Map<string, number>();
  const arrivals: number[] = [];
  const underWay = new Set<Promise<void>>();
  let refused = 0;
  let published = 0;
  let ticks = 0;
  let paused = false;

  const healthy = await startReceiver({ keepBodyBytes: 0, delayMs: ENDPOINT_MS }, ({ webhookId = '' }) => {
    arrivals.push(performance.now());
    received.set(webhookId, (received.get(webhookId) ?? 0) + 1);
  });
  const troubled = await startMisbehavingEndpoint();
  troubled.recover();

  function publishTo(url: string): void {
    const id = `load-${++published}`;
    const publishing = publish(id, url)
      .then((isConfirmed) => {
        if (isConfirmed) confirmed.add(id);
        else refused++;
      })
      .finally(() => underWay.delete(publishing));
    underWay.add(publishing);
  }

  const timer = setInterval(() => {
    if (paused) return;
    publishTo(healthy.url);
    const path = troubledPaths[ticks++ % troubledPaths.length];
    if (path !== undefined) publishTo(troubled.url + path);
  }, EVERY_MS);

  /** How often each id was answered with a 2xx. */
  function answered(): Map<string, number> {
    const times = new Map(received);
    for (const request of troubled.requests) {
      if (request.answered) times.set(request.webhookId, (times.get(request.webhookId) ?? 0) + 1);
    }
    return times;
  }

  return {
    arrivals,
    troubled,
    async arrived(more) {
      const goal = arrivals.length + more;
      while (arrivals.length < goal && performance.now() < givesUpAt) await wait(LOOK_EVERY_MS);
    },
    async burst(count) {
      for (let more = 0; more < count; more++) publishTo(healthy.url);
      await Promise.all(underWay);
    },
    async quiet() {
      paused = true;
      await Promise.all(underWay);
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
      await Promise.all(underWay);
      await Promise.all([healthy.close(), troubled.close()]);
    },
  };
}
