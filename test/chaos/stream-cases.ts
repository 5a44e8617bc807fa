import { setTimeout as wait } from 'node:timers/promises';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { type ChaosCase, now } from './case.ts';
import { besideMisbehaving } from './flows.ts';
import type { Injection } from './plan.ts';
import { DEAD_LETTERS, DURABLE, PARKED, STREAM } from './queue.ts';
import type { ChaosScene } from './scene.ts';

/** How many messages fit into a stream that should be full. */
const LIMIT = 10;

export const STREAM_CASES: readonly ChaosCase[] = [
  {
    name: 'durable deleted',
    injections: { times: [1, 3], afterMs: [0, 1000] },
    async inject({ client }) {
      await client.manager.consumers.delete(STREAM, DURABLE);
      return now();
    },
  },
  {
    name: 'stream deleted when empty',
    injections: { times: [1, 3] },
    async inject({ client, load, settled }) {
      // Waiting messages would be deleted with the stream.
      await settled();
      await client.manager.streams.delete(STREAM);
      load.resume();
      return now();
    },
  },
  {
    name: 'stream full: publishers refused, then its limit raised',
    short: true,
    injections: { forMs: [1000, 3000] },
    inject: fillForAWhile,
    check: wereRefused,
  },
  {
    name: 'dead-letter stream full, beside an endpoint that answers 410',
    scene: { flows: besideMisbehaving('/status/410') },
    injections: { forMs: [2000, 4000] },
    async inject(scene, injection) {
      await fillWhileMisbehaving(scene, injection, DEAD_LETTERS);
      return null;
    },
  },
  {
    name: 'parked stream full, beside an endpoint that hangs',
    scene: { flows: besideMisbehaving('/hang') },
    injections: { forMs: [4000, 6000] },
    async inject(scene, injection) {
      await fillWhileMisbehaving(scene, injection, PARKED);
      scene.load.changing.recover();
      return null;
    },
  },
];

/** Stops the workers (SIGSTOP), and limits the stream to a few more messages for `forMs`. */
export async function fillForAWhile({ client, workers }: ChaosScene, { forMs }: Injection): Promise<number> {
  for (const worker of workers) worker.pause();
  const { messages } = (await client.manager.streams.info(STREAM)).state;
  await client.manager.streams.update(STREAM, { max_msgs: messages + LIMIT });
  await wait(forMs);
  await wasFull(client, STREAM, messages + LIMIT);
  await client.manager.streams.update(STREAM, { max_msgs: -1 });
  for (const worker of workers) worker.resume();
  return now();
}

/** Lets the endpoint misbehave, and limits the stream to a few messages for `forMs`. */
async function fillWhileMisbehaving({ client, load }: ChaosScene, { forMs }: Injection, stream: string) {
  await client.manager.streams.update(stream, { max_msgs: LIMIT });
  load.changing.misbehave();
  await wait(forMs);
  await wasFull(client, stream, LIMIT);
  await client.manager.streams.update(stream, { max_msgs: -1 });
}

/** If the stream was not full, the case has tested nothing. */
async function wasFull(client: NatsClient, stream: string, limit: number): Promise<void> {
  const { messages } = (await client.manager.streams.info(stream)).state;
  if (messages < limit) throw new UserError(`${stream} was not full: it had ${messages} messages.`);
}

export function wereRefused({ load }: ChaosScene) {
  return {
    holds: load.refused() > 0,
    says: `${load.refused()} messages refused, and not counted as accepted`,
  };
}
