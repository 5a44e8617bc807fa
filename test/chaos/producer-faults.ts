import { setTimeout as wait } from 'node:timers/promises';
import { type ChaosCase, type Check, now } from './case.ts';
import type { Injection } from './plan.ts';
import { targetsOf } from './programs.ts';
import type { ChaosScene } from './scene.ts';
import type { Verdict } from './verdict.ts';

/** What breaks the programs between the load and NATS. */
export type ProducerFault = ChaosCase['inject'];

/** Messages that are handed over at once, so that some are under way when the fault comes. */
export const BURST = 300;
/** The default of the setting. */
const CONFIRM_TIMEOUT_MS = 2000;
/** How long after a burst the fault comes, in milliseconds. It differs from injection to injection. */
export const burstAgeMs = ({ afterMs }: Injection) => 10 + (afterMs % 200);

/** Kills one program or both, and starts them again after `forMs`. */
export async function killProducers(
  { producers, load }: ChaosScene,
  injection: Injection,
): Promise<number | null> {
  const victims = targetsOf(producers, injection.whom);
  const burst = load.burst(BURST);
  await wait(burstAgeMs(injection));
  await Promise.all(victims.map((victim) => victim.kill()));
  await wait(injection.forMs);
  const curedAt = now();
  await Promise.all(victims.map((victim) => victim.start()));
  await burst;
  return victims.length === producers.length ? curedAt : null;
}

export async function killNats({ nodes, restart, load }: ChaosScene, injection: Injection): Promise<number> {
  const burst = load.burst(BURST);
  await wait(burstAgeMs(injection));
  await nodes.get('n1')!.kill();
  await wait(injection.forMs);
  await restart('n1');
  const curedAt = now();
  await burst;
  return curedAt;
}

export async function killPostgres(
  { database, load }: ChaosScene,
  injection: Injection,
): Promise<number | null> {
  const burst = load.burst(BURST);
  await wait(burstAgeMs(injection));
  await database!.kill();
  await wait(injection.forMs);
  await database!.restart();
  const curedAt = now();
  await burst;
  return curedAt;
}

/** Stops nats-server (SIGSTOP) for longer than CONFIRM_TIMEOUT_MS, so that neither a refusal nor a confirmation comes in time. */
async function stopNats({ nodes, load }: ChaosScene, injection: Injection): Promise<number> {
  const { pid } = nodes.get('n1')!;
  const burst = load.burst(BURST);
  await wait(burstAgeMs(injection));
  process.kill(pid, 'SIGSTOP');
  await wait(CONFIRM_TIMEOUT_MS + injection.forMs);
  process.kill(pid, 'SIGCONT');
  const curedAt = now();
  await burst;
  return curedAt;
}

/** Kills a program or PostgreSQL, or stops nats-server. */
export function breakAny(on: ChaosScene, injection: Injection): Promise<number | null> {
  const { length } = on.producers;
  if (injection.whom < length) return killProducers(on, injection);
  return injection.whom === length ? stopNats(on, injection) : killPostgres(on, injection);
}

/** No worker and no nats-server died, so no message may arrive twice. */
export function arrivedOnce({ load }: ChaosScene, { doubled }: Verdict): Check {
  return { holds: doubled === 0, says: `${doubled} doubled, where none may be; ${accountOf(load)}` };
}

/** A nats-server that was killed may double messages (docs/http-api.md, docs/outbox.md). */
export function mayDouble({ load }: ChaosScene, { doubled }: Verdict): Check {
  return { holds: true, says: `${doubled} doubled; ${accountOf(load)}` };
}

export function accountOf(load: ChaosScene['load']): string {
  return `${load.refused()} not accepted, ${load.repeated()} accepted after an answer that left it open`;
}
