import { fileURLToPath } from 'node:url';
import type { RunningProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { type MisbehavingEndpoint, startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { type Environment, openScene, type Scene, statisticsOf, stopWorker, sumOf } from './scene.ts';

const DIE_AT = fileURLToPath(new URL('die-at.mjs', import.meta.url));

/** What was lost with a worker is handed out again soon, and no attempt times out: a busy machine takes half a second. */
export const SETTINGS: Environment = {
  ACK_WAIT_MS: '3000',
  ATTEMPT_TIMEOUT_MS: '1500',
  BACKOFF_BASE_MS: '20',
  MAX_ATTEMPTS: '3',
  SHUTDOWN_DRAIN_MS: '100',
};

/** A fault point, and the how manyeth time the worker is there: that is when it is killed. */
export type Death = { readonly at: string; readonly time?: number };

export interface Stage {
  readonly scene: Scene;
  readonly endpoint: {
    readonly url: string;
    readonly requests: readonly { readonly webhookId: string | undefined }[];
  };
}

/** What is left when the worker that died was followed by another, and that one had nothing left to do. */
export interface Aftermath {
  readonly requests: number;
  /** Distinct ones. */
  readonly webhookIds: number;
  readonly letters: number;
  /** By both workers together. */
  readonly counted: {
    readonly attempts: number;
    readonly acknowledged: number;
    readonly deadLettered: number;
  };
}

export async function setStage(): Promise<Stage & { readonly endpoint: MisbehavingEndpoint }> {
  const [scene, endpoint] = await Promise.all([openScene(), startMisbehavingEndpoint()]);
  return { scene, endpoint };
}

/** A worker that is going to die. */
export function startVictim(
  { scene }: Stage,
  { at, time = 1 }: Death,
  env: Environment = {},
): Promise<RunningProgram> {
  const death = { NODE_OPTIONS: `--import=${DIE_AT}`, DIE_AT: at, DIE_AT_TIME: String(time) };
  return scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'victim', ...env, ...death });
}

/** A worker that is going to die, and whose statistics wait until it stops: its first flush is over. */
export async function startSilentVictim(stage: Stage, death: Death): Promise<RunningProgram> {
  const victim = await startVictim(stage, death, { STATS_INTERVAL_MS: '60000' });
  await until(async () => (await statisticsOf(stage.scene)).has('victim'));
  return victim;
}

/** Resolves when it is dead. @throws where it ended in any other way. */
export async function died(victim: RunningProgram): Promise<void> {
  const { code, signal } = await victim.waitForExit();
  if (signal !== 'SIGKILL') throw new Error(`it ended with ${signal ?? code}:\n${victim.stdout.join('\n')}`);
}

/** How many messages a stream holds. */
export async function waitingIn(scene: Scene, stream: string): Promise<number> {
  return (await scene.manager.streams.info(stream)).state.messages;
}

/** Another worker does what is left to do. */
export async function takeOver({ scene, endpoint }: Stage, env: Environment = {}): Promise<Aftermath> {
  const heir = await scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'heir', ...env });
  await until(
    async () => (await waitingIn(scene, 'WEBHOOKS')) + (await waitingIn(scene, 'WEBHOOKS_PARKED')) === 0,
  );
  await stopWorker(heir);
  const rows = await statisticsOf(scene);
  return {
    requests: endpoint.requests.length,
    webhookIds: new Set(endpoint.requests.map(({ webhookId }) => webhookId)).size,
    letters: await waitingIn(scene, 'WEBHOOKS_DLQ'),
    counted: {
      attempts: sumOf(rows, 'http_attempts'),
      acknowledged: sumOf(rows, 'messages_acknowledged'),
      deadLettered: sumOf(rows, 'messages_dead_lettered'),
    },
  };
}
