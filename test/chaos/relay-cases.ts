import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosCase } from './case.ts';
import { inOrder } from './flows.ts';
import {
  arrivedOnce,
  BURST,
  breakAny,
  burstAgeMs,
  killNats,
  killPostgres,
  killProducers,
  mayDouble,
} from './producer-faults.ts';
import type { SceneOptions } from './scene.ts';
import { fillForAWhile } from './stream-cases.ts';
import { LONG_TIMEOUTS } from './worker-settings.ts';

const RELAYS = 2;
const KILLS = 6;
const scene: SceneOptions = { by: 'outbox', settings: { ...LONG_TIMEOUTS, CONCURRENCY: '100' } };

/** Each message is enqueued by a transaction of its own, a third of them is rolled back, and two `relay` publish. */
export const RELAY_CASES: readonly ChaosCase[] = [
  {
    name: 'relay: killed (kill -9), one or both, and restarted',
    short: true,
    scene,
    injections: { times: [4, 6], among: RELAYS + 1, forMs: [0, 1500] },
    inject: killProducers,
    check: arrivedOnce,
  },
  {
    name: 'relay: one stopped (SIGSTOP), the other killed (kill -9) six times meanwhile',
    large: true,
    scene,
    injections: { among: RELAYS, forMs: [500, 2000] },
    async inject({ producers, load }, injection) {
      const { whom, forMs } = injection;
      const [stopped, killed] = [producers[whom]!, producers[1 - whom]!];
      const burst = load.burst(BURST);
      await wait(burstAgeMs(injection));
      stopped.pause();
      for (let kills = 0; kills < KILLS; kills++) {
        await killed.kill();
        await wait(forMs / 2);
        await killed.start();
        // Time to claim rows.
        await wait(forMs);
      }
      stopped.resume();
      await burst;
      return null;
    },
    check: arrivedOnce,
  },
  {
    name: 'relay: nats-server killed (kill -9) and restarted',
    scene,
    injections: { times: [2, 4] },
    inject: killNats,
    check: mayDouble,
  },
  {
    name: 'relay: PostgreSQL killed (kill -9) and restarted',
    scene,
    injections: { times: [2, 3] },
    inject: killPostgres,
    check: arrivedOnce,
  },
  {
    name: 'relay: stream full, then its limit raised',
    scene,
    injections: { forMs: [1000, 3000] },
    inject: fillForAWhile,
    check: arrivedOnce,
  },
  {
    name: 'relay: ordered messages: killed (kill -9), one or both, and restarted',
    scene: { ...scene, flows: inOrder },
    injections: { times: [3, 5], among: RELAYS + 1, forMs: [0, 1500] },
    inject: killProducers,
    check: arrivedOnce,
  },
  {
    name: 'relay: relay or PostgreSQL killed, or nats-server stopped (SIGSTOP), at random',
    scene,
    injections: { times: [6, 9], among: RELAYS + 2, forMs: [0, 1500] },
    inject: breakAny,
    check: arrivedOnce,
  },
];
