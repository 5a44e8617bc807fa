import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { ChaosCase } from './case.ts';

/** Both workers are killed. The messages that they were sending are acked already, and NATS delivers them to nobody. */
export const NEGATIVE_CONTROL: ChaosCase = {
  name: 'negative control: workers that ack before they send, killed (kill -9) and restarted',
  scene: { workerImports: [pathToFileURL(resolve('test/chaos/ack-first.mjs')).href] },
  // Twice, so that a pause of a busy machine does not leave the workers without a request in flight.
  injections: { times: [2, 2] },
  async inject({ workers }) {
    await Promise.all(workers.map((worker) => worker.kill()));
    await wait(200);
    await Promise.all(workers.map((worker) => worker.start()));
    return null;
  },
};
