import type { NatsClient } from '../../src/nats/connection/client.ts';
import { httpProducers } from './http-producers.ts';
import type { Publish } from './load.ts';
import { natsProducers } from './nats-producers.ts';
import { outboxProducers } from './outbox-producers.ts';
import type { ChaosProgram, ProgramOptions } from './programs.ts';
import type { ChaosDatabase } from './servers.ts';

/** How messages get into the stream. */
export interface Producers {
  /** What stands between the load and NATS: two of `api` or of `relay`, or nothing. */
  readonly programs: readonly ChaosProgram[];
  readonly publish: Publish;
  close(): Promise<void>;
}

/** `nats`: the load publishes itself. `http`: through `api`. `outbox`: in a transaction of its own, through `relay`. */
export type Way = 'nats' | 'http' | 'outbox';

export type ProducerOptions = {
  readonly client: NatsClient;
  /** Null only for `nats`. */
  readonly database: ChaosDatabase | null;
  readonly make: (options: Pick<ProgramOptions, 'command' | 'name' | 'settings'>) => ChaosProgram;
  readonly seed: number;
  /** When no message is handed over again any more, on the clock of `performance.now()`. */
  readonly givesUpAt: number;
  /** Called when a message is answered as none may be. */
  readonly failed: (error: Error) => void;
};

const PRODUCERS = { nats: natsProducers, http: httpProducers, outbox: outboxProducers };

/** The programs are not started. */
export async function makeProducers(way: Way, options: ProducerOptions): Promise<Producers> {
  const producers = await PRODUCERS[way](options);
  return way === 'nats' ? producers : { ...producers, publish: oneByOne(producers.publish) };
}

/** Hands over the messages of each ordering key one after the other, as a program must that wants their order. */
function oneByOne(publish: Publish): Publish {
  const last = new Map<string, Promise<unknown>>();
  return (message) => {
    const { orderingKey } = message;
    if (orderingKey === undefined) return publish(message);
    const publishing = (last.get(orderingKey) ?? Promise.resolve()).then(() => publish(message));
    last.set(orderingKey, publishing);
    return publishing;
  };
}
