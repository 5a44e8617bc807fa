import { setTimeout as wait } from 'node:timers/promises';
import { type ChaosCase, now } from './case.ts';
import { inOrder } from './flows.ts';
import type { Injection } from './plan.ts';
import { targetsOf } from './programs.ts';
import type { ChaosScene } from './scene.ts';
import { ACK_WAIT_MS } from './worker-settings.ts';

const WORKERS = 2;

export const WORKER_CASES: readonly ChaosCase[] = [
  {
    name: 'workers killed (kill -9), one or both, and restarted',
    short: true,
    large: true,
    injections: { times: [3, 5], among: WORKERS + 1, afterMs: [0, 1500] },
    inject: killAndRestart,
  },
  {
    name: 'rolling restart of the workers (SIGTERM)',
    injections: { times: [2, 3], among: WORKERS, forMs: [0, 500] },
    async inject({ workers }, { whom, forMs }) {
      for (const worker of [...workers.slice(whom), ...workers.slice(0, whom)]) {
        await worker.terminate();
        await wait(forMs);
        await worker.start();
      }
      return null;
    },
  },
  {
    name: 'a worker stopped (SIGSTOP) for longer than ACK_WAIT_MS, then continued',
    injections: { times: [1, 2], among: WORKERS, forMs: [1.3 * ACK_WAIT_MS, 2 * ACK_WAIT_MS] },
    async inject({ workers }, { whom, forMs }) {
      workers[whom]!.pause();
      await wait(forMs);
      workers[whom]!.resume();
      return null;
    },
  },
  {
    name: 'ordered messages: workers killed, one or both, and restarted',
    scene: { flows: inOrder },
    injections: { times: [2, 4], among: WORKERS + 1, afterMs: [0, 1500] },
    inject: killAndRestart,
  },
  {
    name: 'a worker restarted without ALLOWED_PRIVATE_CIDRS, then with it',
    scene: { database: true },
    injections: { times: [1, 2], among: WORKERS, forMs: [3000, 6000] },
    async inject({ workers }, { whom, forMs }) {
      const worker = workers[whom]!;
      await worker.terminate();
      await worker.start({ ALLOWED_PRIVATE_CIDRS: '' });
      await wait(forMs);
      await worker.terminate();
      await worker.start();
      return null;
    },
  },
];

async function killAndRestart({ workers }: ChaosScene, { whom, forMs }: Injection): Promise<number | null> {
  const victims = targetsOf(workers, whom);
  await Promise.all(victims.map((victim) => victim.kill()));
  await wait(forMs);
  const curedAt = now();
  await Promise.all(victims.map((victim) => victim.start()));
  return victims.length === workers.length ? curedAt : null;
}
