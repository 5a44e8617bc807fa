import { setTimeout as wait } from 'node:timers/promises';
import { type ChaosCase, now } from './case.ts';
import { besideMisbehaving, scheduled } from './flows.ts';
import type { Injection } from './plan.ts';
import type { ChaosScene } from './scene.ts';

const WORKERS = 2;
const NATS_SERVER = WORKERS;
const ENDPOINT = WORKERS + 1;

/** Several faults at once: two workers, the nats-server, an endpoint. */
export const MIXED_CASES: readonly ChaosCase[] = [
  {
    name: 'workers and nats-server killed while an endpoint hangs',
    scene: { flows: besideMisbehaving('/hang') },
    injections: { times: [4, 6], among: WORKERS + 1, afterMs: [0, 2000] },
    inject(scene, injection) {
      scene.load.changing.misbehave();
      return killOne(scene, injection);
    },
    recover: ({ load }) => load.changing.recover(),
  },
  {
    name: 'scheduled messages: workers and nats-server killed',
    scene: { flows: scheduled },
    injections: { times: [3, 5], among: WORKERS + 1, afterMs: [0, 1000] },
    inject: killOne,
  },
  {
    name: 'all at random: workers and nats-server killed, endpoint misbehaves',
    large: true,
    scene: {
      flows: besideMisbehaving('/hang', '/reset', '/garbage', '/status/503', '/drip', '/cut', '/flood/500'),
    },
    injections: { times: [6, 9], among: ENDPOINT + 1, afterMs: [0, 1000] },
    async inject(scene, injection) {
      if (injection.whom !== ENDPOINT) return killOne(scene, injection);
      scene.load.changing.misbehave();
      await wait(injection.forMs);
      scene.load.changing.recover();
      return null;
    },
  },
];

async function killOne({ workers, nodes, restart }: ChaosScene, { whom, forMs }: Injection) {
  if (whom === NATS_SERVER) {
    await nodes.get('n1')!.kill();
    await wait(forMs);
    await restart('n1');
    return now();
  }
  await workers[whom]!.kill();
  await wait(forMs);
  await workers[whom]!.start();
  return null;
}
