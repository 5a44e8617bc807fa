import { setTimeout as wait } from 'node:timers/promises';
import { withDatabase } from '../../../src/commands/connect/open-database.ts';
import { countAttempts } from '../../../src/postgres/tables/attempts-table.ts';
import { readConsumerStats } from '../../../src/postgres/tables/consumer-stats-table.ts';
import { type MemoryScene, STREAM } from './scene.ts';

/** The result of a check beside the memory. */
export type MemoryCheck = { readonly holds: boolean; readonly says: string };

export type MemoryCase = {
  readonly name: string;
  /** @returns Null if the case has no check. */
  run(scene: MemoryScene): Promise<MemoryCheck | null>;
};

/** Deliveries before the measurement. Afterwards the program is compiled, its connections are open, and its heap is warm. */
const WARM_UP = 20_000;
const WAITING = 1_000_000;
const PARKED = 100_000;
/** As many as 100 per second for an hour. */
const WITHOUT_DATABASE = 360_000;
const DOWN = { endpoints: 2000, messagesEach: 50 };
const HEALTHY = { perSecond: 500, everyMs: 100 };
/** The port of the endpoints that are down. Nothing listens on this port. */
const DISCARD_PORT = 9;
const LOOK_EVERY_MS = 200;

export const MEMORY_CASES: readonly MemoryCase[] = [
  {
    name: 'at rest',
    async run(scene) {
      scene.startWorker();
      await deliver(scene, WARM_UP, (await scene.startEndpoint(0)).url);
      await scene.watch('at rest', 15);
      return null;
    },
  },
  {
    name: `${WAITING} messages waiting`,
    async run(scene) {
      const endpoint = await scene.startEndpoint(20);
      await scene.publish(WAITING, () => endpoint.url);
      const { reached } = await endpoint.afterRequests(WARM_UP);
      scene.startWorker();
      await reached;
      const before = await endpoint.totals();
      await scene.watch(`${WAITING} messages waiting, delivered for 30 s`, 30);
      const { requests } = await endpoint.totals();
      return {
        holds: requests > before.requests,
        says: `${requests - before.requests} delivered meanwhile`,
      };
    },
  },
  {
    name: `${PARKED} parked`,
    async run(scene) {
      const down = await scene.startEndpoint(0, 503);
      const healthy = await scene.startEndpoint(0);
      scene.startWorker();
      await deliver(scene, WARM_UP, healthy.url);
      await scene.publish(PARKED, () => down.url);
      await scene.allSettled();
      const probed = await down.totals();
      const parked = await scene.parked();
      await scene.watch(`${PARKED} parked for an endpoint that answers 503`, () =>
        deliverFor(scene, 60, healthy.url),
      );
      const { requests } = await down.totals();
      return {
        holds: parked > 0.9 * PARKED,
        says: `${parked} were parked, ${requests - probed.requests} probes beside ${HEALTHY.perSecond} deliveries per second`,
      };
    },
  },
  {
    name: 'PostgreSQL away',
    async run(scene) {
      const endpoint = await scene.startEndpoint(0);
      scene.startWorker();
      await deliver(scene, WARM_UP, endpoint.url);
      await scene.database.kill();
      await scene.watch(`PostgreSQL away for ${WITHOUT_DATABASE} deliveries`, () =>
        deliver(scene, WITHOUT_DATABASE, endpoint.url),
      );
      await scene.watch('PostgreSQL back', async () => {
        await scene.database.restart();
        await withDatabase(scene.database.url, async (pool) => {
          const counted = async () => (await readConsumerStats(pool, STREAM))[0]?.acknowledged ?? 0;
          while ((await counted()) < WARM_UP + WITHOUT_DATABASE) await wait(LOOK_EVERY_MS);
        });
        await wait(10_000);
      });
      return countsAddUp(scene, WARM_UP + WITHOUT_DATABASE);
    },
  },
  {
    name: `${DOWN.endpoints} endpoints that are down`,
    async run(scene) {
      const healthy = await scene.startEndpoint(0);
      scene.startWorker();
      await deliver(scene, WARM_UP, healthy.url);
      const messages = DOWN.endpoints * DOWN.messagesEach;
      await scene.publish(messages, (number) => downUrl(number % DOWN.endpoints));
      await scene.allSettled();
      await scene.watch(`${DOWN.endpoints} endpoints down, ${DOWN.messagesEach} messages each`, () =>
        deliverFor(scene, 60, healthy.url),
      );
      return {
        holds: true,
        says: `${await scene.parked()} of ${messages} were parked at the end of the case`,
      };
    },
  },
];

async function deliver(scene: MemoryScene, count: number, url: string): Promise<void> {
  await scene.publish(count, () => url);
  await scene.allSettled();
}

/** Publishes steadily for a healthy endpoint. */
async function deliverFor(scene: MemoryScene, seconds: number, url: string): Promise<void> {
  const endsAt = performance.now() + 1000 * seconds;
  while (performance.now() < endsAt) {
    const next = wait(HEALTHY.everyMs);
    await scene.publish((HEALTHY.perSecond * HEALTHY.everyMs) / 1000, () => url);
    await next;
  }
}

/** A URL of this machine: all addresses in 127.0.0.0/8 belong to it. */
function downUrl(number: number): string {
  return `http://127.1.${Math.floor(number / 250)}.${(number % 250) + 1}:${DISCARD_PORT}/hook`;
}

/** Checks that each delivery is counted once, and each attempt is stored as a row or counted as dropped. */
async function countsAddUp({ database }: MemoryScene, delivered: number): Promise<MemoryCheck> {
  return withDatabase(database.url, async (pool) => {
    const [stats] = await readConsumerStats(pool, STREAM);
    const rows = await countAttempts(pool);
    const { acknowledged = 0, attempts = 0, rowsDropped = 0 } = stats ?? {};
    return {
      holds: acknowledged === delivered && rowsDropped > 0 && rows + rowsDropped === attempts,
      says:
        `rule_nats_consumer_stats counts ${acknowledged} of ${delivered} deliveries; ` +
        `${rows} rows of attempts and ${rowsDropped} dropped make ${attempts} attempts`,
    };
  });
}
