import { setTimeout as wait } from 'node:timers/promises';
import type { BenchProcess } from '../process.ts';
import { measure } from '../run.ts';
import { type RegistryScene, type RowsOfCase, whenever } from './scene.ts';
import { cpuShares, type Memory, memoryOf } from './watch.ts';

export type RegistryCase = RowsOfCase & { readonly name: string };

export type RegistryFigures = {
  readonly name: string;
  /** How long the read of all rows took, and from its end to the first delivery, in seconds. */
  readonly readSeconds: number;
  readonly afterReadSeconds: number;
  readonly memory: Memory;
  /** Shares of a core, in percent. */
  readonly idle: Shares;
  readonly changing: Shares;
  /** Until a changed URL is used, in milliseconds. */
  readonly change: { readonly median: number; readonly longest: number };
  /** Until a change of all rows by one statement is used, in seconds, from its end. */
  readonly bulkSeconds: number;
  /** CPU seconds of the worker for 10 000 deliveries. */
  readonly cpuPer10k: number | null;
  readonly memoryAtEnd: Memory;
};

type Shares = { readonly worker: number | null; readonly postgres: number | null };

export type MeasureOptions = { readonly idleSeconds: number; readonly messages: number };

const CHANGES = 10;
const CHANGES_PER_SECOND = 20;
const CHANGING_SECONDS = 20;
const PUBLISH_EVERY_MS = 10;

/** Measures a worker with the rows of one case. */
export async function measureCase(
  one: RegistryCase,
  scene: RegistryScene,
  options: MeasureOptions,
  say: (line: string) => void,
): Promise<RegistryFigures> {
  say(one.name);
  await scene.reset();
  await scene.fill(one);
  const first = await scene.endpoint.afterRequests(1);
  await scene.publish(1, () => 1);
  const worker = scene.startWorker();
  try {
    const delivered = await Promise.race([first.reached, worker.failed]);
    const read = await Promise.race([worker.firstRead, worker.failed]);
    await whenever(scene.isSettled);
    const pids = [worker.pid, scene.postgresPid];
    // Until the worker has looked for wrong rows in all rows.
    await wait(20_000);
    say('  idle');
    const idle = sharesOf(await cpuShares(pids, options.idleSeconds));
    const memory = memoryOf(worker.pid);
    say('  one change');
    const change = await changesUsed(one, scene);
    say('  many changes');
    const changing = sharesOf(await cpuShares(pids, () => changeOften(one, scene)));
    const bulkSeconds = await bulkUsed(scene);
    say('  messages');
    await scene.fill(one);
    await restored(one, scene);
    const { workerCpu } = await measure({
      name: one.name,
      queue: queueOf(one, scene),
      endpoint: scene.endpoint,
      worker,
      messages: options.messages,
      natsPid: scene.natsPid,
      recorded: async () => true,
    });
    const memoryAtEnd = memoryOf(worker.pid);
    return {
      name: one.name,
      readSeconds: read.tookMs / 1000,
      afterReadSeconds: (delivered.at - read.at) / 1000,
      memory,
      idle,
      changing,
      change,
      bulkSeconds,
      cpuPer10k: workerCpu,
      memoryAtEnd,
    };
  } finally {
    await worker.stop();
  }
}

/** Messages for many rows, spread evenly over all of them. */
function queueOf({ rows }: RegistryCase, scene: RegistryScene) {
  // Coprime with every number of rows here, so that neighbours follow only after all others.
  const rowOf = (number: number) => 1 + ((number * 7919) % rows);
  return {
    isSettled: scene.isSettled,
    publish: (_url: string, count: number) => scene.publish(count, rowOf),
  };
}

async function changesUsed({ rows }: RegistryCase, scene: RegistryScene) {
  const took: number[] = [];
  for (let number = 0; number < CHANGES; number++) {
    await wait(500);
    const id = 1 + ((number * 7919) % rows);
    const path = `/changed/${number}-${performance.now()}`;
    await scene.pool.query('UPDATE rule_webhooks SET url = $1 WHERE webhook_id = $2', [
      scene.probe.url + path,
      id,
    ]);
    took.push(await untilUsed(scene, id, path));
  }
  took.sort((a, b) => a - b);
  return { median: took[took.length >> 1]!, longest: took.at(-1)! };
}

/** How long it takes until a message for a row is sent to this path, in milliseconds. */
async function untilUsed(scene: RegistryScene, id: number, path: string): Promise<number> {
  const changedAt = performance.now();
  let usedAt: number | null = null;
  void scene.probe.requested(path).then((at) => {
    usedAt = at;
  });
  while (usedAt === null) {
    await scene.publish(1, () => id);
    await wait(PUBLISH_EVERY_MS);
  }
  return usedAt - changedAt;
}

async function changeOften({ rows }: RegistryCase, scene: RegistryScene): Promise<void> {
  const startedAt = performance.now();
  for (let number = 0; number < CHANGES_PER_SECOND * CHANGING_SECONDS; number++) {
    const id = 1 + ((number * 104_729) % rows);
    await scene.pool.query('UPDATE rule_webhooks SET timeout_ms = 1000 + $1 WHERE webhook_id = $2', [
      number,
      id,
    ]);
    await wait(Math.max(0, startedAt + (1000 * (number + 1)) / CHANGES_PER_SECOND - performance.now()));
  }
}

async function bulkUsed(scene: RegistryScene): Promise<number> {
  const path = `/bulk/${performance.now()}`;
  await scene.pool.query('UPDATE rule_webhooks SET url = $1', [scene.probe.url + path]);
  return (await untilUsed(scene, 1, path)) / 1000;
}

/** Waits until the worker uses the URLs of the endpoint again: it reads rows in the order of their ids, so the last row tells. */
async function restored({ rows }: RegistryCase, scene: RegistryScene): Promise<void> {
  const { requests } = await scene.endpoint.totals();
  await whenever(async () => {
    await scene.publish(1, () => rows);
    return (await scene.endpoint.totals()).requests > requests;
  });
  await whenever(scene.isSettled);
}

function sharesOf([worker, postgres]: readonly (number | null)[]): Shares {
  return { worker: worker ?? null, postgres: postgres ?? null };
}

/** CPU seconds of the worker for 10 000 deliveries, if each message goes to all rows. */
export async function measureOneSubject(
  one: RegistryCase,
  scene: RegistryScene,
  deliveries: number,
  say: (line: string) => void,
): Promise<{ readonly name: string; readonly cpuPer10k: number; readonly highest: number | null }> {
  say(one.name);
  await scene.reset();
  await scene.fill(one);
  const worker: BenchProcess = scene.startWorker();
  try {
    const warm = await scene.endpoint.afterRequests(one.rows);
    await scene.publish(1, () => 1);
    await Promise.race([warm.reached, worker.failed]);
    await whenever(scene.isSettled);
    const messages = Math.ceil(deliveries / one.rows);
    const all = await scene.endpoint.afterRequests(messages * one.rows);
    const startedAt = performance.now();
    const [share] = await cpuShares([worker.pid], async () => {
      await scene.publish(messages, () => 1);
      await Promise.race([all.reached, worker.failed]);
    });
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = ((share ?? Number.NaN) / 100) * seconds;
    return {
      name: one.name,
      cpuPer10k: (10_000 * cpu) / (messages * one.rows),
      highest: memoryOf(worker.pid)?.highest ?? null,
    };
  } finally {
    await worker.stop();
  }
}
