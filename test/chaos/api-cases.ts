import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosCase } from './case.ts';
import { inOrder } from './flows.ts';
import {
  accountOf,
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
import { fillForAWhile, wereRefused } from './stream-cases.ts';
import { LONG_TIMEOUTS } from './worker-settings.ts';

const APIS = 2;
const scene: SceneOptions = { by: 'http', settings: { ...LONG_TIMEOUTS, CONCURRENCY: '100' } };

/** Messages are posted to two `api` by turns. */
export const API_CASES: readonly ChaosCase[] = [
  {
    name: 'api: killed (kill -9), one or both, and restarted',
    short: true,
    scene,
    injections: { times: [4, 6], among: APIS + 1, forMs: [0, 1500] },
    inject: killProducers,
    check: arrivedOnce,
  },
  {
    name: 'api: one stopped (SIGSTOP), then continued',
    scene,
    injections: { times: [1, 2], among: APIS, forMs: [4000, 8000] },
    async inject({ producers, load }, injection) {
      const stopped = producers[injection.whom]!;
      const burst = load.burst(BURST);
      await wait(burstAgeMs(injection));
      stopped.pause();
      await wait(injection.forMs);
      stopped.resume();
      await burst;
      return null;
    },
    check(on, verdict) {
      const once = arrivedOnce(on, verdict);
      return { ...once, holds: once.holds && on.load.repeated() > 0 };
    },
  },
  {
    name: 'api: nats-server killed (kill -9) and restarted, under 2,000 requests per second',
    large: true,
    scene: { ...scene, rate: 2000, settings: { ...LONG_TIMEOUTS, CONCURRENCY: '512' } },
    injections: { times: [1, 2], afterMs: [1000, 2000] },
    inject: killNats,
    check: mayDouble,
  },
  {
    name: 'api: PostgreSQL killed (kill -9) and restarted',
    scene,
    injections: { times: [2, 3], forMs: [1000, 4000] },
    async inject(on, injection) {
      await killPostgres(on, injection);
      return null;
    },
    check: (on, verdict) => {
      const once = arrivedOnce(on, verdict);
      return { ...once, holds: once.holds && on.load.refused() === 0 };
    },
  },
  {
    name: 'api: stream full, then its limit raised',
    scene,
    injections: { forMs: [1000, 3000] },
    inject: fillForAWhile,
    check(on, verdict) {
      const holds = wereRefused(on).holds && verdict.doubled === 0;
      return { holds, says: `${verdict.doubled} doubled, where none may be; ${accountOf(on.load)}` };
    },
  },
  {
    name: 'api: ordered messages: killed (kill -9), one or both, and restarted',
    scene: { ...scene, flows: inOrder },
    injections: { times: [3, 5], among: APIS + 1, forMs: [0, 1500] },
    inject: killProducers,
    check: arrivedOnce,
  },
  {
    name: 'api: api or PostgreSQL killed, or nats-server stopped (SIGSTOP), at random',
    scene,
    injections: { times: [6, 9], among: APIS + 2, forMs: [0, 1500] },
    inject: breakAny,
    check: arrivedOnce,
  },
];
