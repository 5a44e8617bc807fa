import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../runtime/failure.ts';
import { startReceiver } from './receiver.ts';

/** Stores one message; resolves to whether NATS has confirmed it. */
export type Publish = (id: string, url: string) => Promise<boolean>;

/** Published all the time while something is broken, and a receiver that notes what arrives. Times are `performance.now()`. */
export interface FaultLoad {
  /** When anything arrived, in its order. */
  readonly arrivals: readonly number[];
  /** Resolves when so many more have arrived. */
  arrived(more: number): Promise<void>;
  /** Publishes nothing more until `resume`. Resolves when all that was confirmed has arrived. */
  quiet(): Promise<void>;
  resume(): void;
  /** Messages that NATS has confirmed. */
  confirmed(): number;
  /** Confirmed by NATS, and not arrived. */
  missing(): number;
  /** Requests beyond the first for a message. */
  doubled(): number;
  stop(): Promise<void>;
}

const EVERY_MS = 20;
/** How long the endpoint takes: so that some attempts are always under way. */
const ENDPOINT_MS = 200;
const LOOK_EVERY_MS = 20;
const PATIENCE_MS = 120_000;

export async function startFaultLoad(publish: Publish, idPrefix: string): Promise<FaultLoad> {
  const confirmed = new Set<string>();
  const arrived = new Set<string>();
  const arrivals: number[] = [];
  const underWay = new Set<Promise<void>>();
  let number = 0;
  let paused = false;

  const receiver = await startReceiver({ keepBodyBytes: 0, delayMs: ENDPOINT_MS }, ({ webhookId = '' }) => {
    arrivals.push(performance.now());
    arrived.add(webhookId);
  });

  async function publishOne(): Promise<void> {
    const id = `${idPrefix}-${++number}`;
    if (await publish(id, receiver.url)) confirmed.add(id);
  }

  const timer = setInterval(() => {
    if (paused) return;
    const publishing = publishOne().finally(() => underWay.delete(publishing));
    underWay.add(publishing);
  }, EVERY_MS);

  const missing = () => [...confirmed].filter((id) => !arrived.has(id)).length;

  async function quiet(): Promise<void> {
    paused = true;
    await Promise.all(underWay);
    const givesUpAt = performance.now() + PATIENCE_MS;
    while (missing() > 0 && performance.now() < givesUpAt) await wait(LOOK_EVERY_MS);
  }

  return {
    arrivals,
    async arrived(more) {
      const goal = arrivals.length + more;
      const givesUpAt = performance.now() + PATIENCE_MS;
      while (arrivals.length < goal) {
        if (performance.now() > givesUpAt) throw new UserError('Nothing is delivered: gave up after 120 s.');
        await wait(LOOK_EVERY_MS);
      }
    },
    quiet,
    resume() {
      paused = false;
    },
    confirmed: () => confirmed.size,
    missing,
    doubled: () => receiver.received().requests - receiver.received().webhookIds,
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      await receiver.close();
    },
  };
}
