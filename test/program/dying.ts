import { fileURLToPath } from 'node:url';
import type { RunningProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { type MisbehavingEndpoint, startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { type Environment, openScene, type Scene, statisticsOf, stopWorker, sumOf } from './scene.ts';

const DIE_AT = fileURLToPath(new URL('die-at.mjs', import.meta.url));

/** NATS redelivers the messages of a killed worker soon. No attempt times out: a busy machine takes half a second. */
export const SETTINGS: Environment = {
  ACK_WAIT_MS: '3000',
  ATTEMPT_TIMEOUT_MS: '1500',
  BACKOFF_BASE_MS: '20',
  MAX_ATTEMPTS: '3',
  SHUTDOWN_DRAIN_MS: '100',
};

/** The failpoint at which the worker is killed. `time` is 2 to kill the worker when it reaches the failpoint a second time. */
export type KillPoint = { readonly at: string; readonly time?: number };

export interface CrashScene {
  readonly scene: Scene;
  readonly endpoint: {
    readonly url: string;
    readonly requests: readonly { readonly webhookId: string | undefined }[];
  };
}

/** The result after one worker was killed, and a second worker has settled all messages. */
export interface TakeoverResult {
  readonly requests: number;
  /** Different ids. */
  readonly webhookIds: number;
  readonly deadLetters: number;
  /** The totals of both workers. */
  readonly counted: {
    readonly attempts: number;
    readonly acknowledged: number;
    readonly deadLettered: number;
  };
}

export async function openCrashScene(): Promise<CrashScene & { readonly endpoint: MisbehavingEndpoint }> {
  const [scene, endpoint] = await Promise.all([openScene(), startMisbehavingEndpoint()]);
  return { scene, endpoint };
}

/** Starts a worker that will be killed. */
export function startVictim(
  { scene }: CrashScene,
  { at, time = 1 }: KillPoint,
  env: Environment = {},
): Promise<RunningProgram> {
  const killPoint = { NODE_OPTIONS: `--import=${DIE_AT}`, DIE_AT: at, DIE_AT_TIME: String(time) };
  return scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'victim', ...env, ...killPoint });
}

/** Starts a worker that will be killed. Its first flush is over, and its next flush comes when it stops. */
export async function startVictimAfterFlush(
  crashScene: CrashScene,
  killPoint: KillPoint,
): Promise<RunningProgram> {
  const victim = await startVictim(crashScene, killPoint, { STATS_INTERVAL_MS: '60000' });
  await until(async () => (await statisticsOf(crashScene.scene)).has('victim'));
  return victim;
}

/** Resolves when the victim is killed. @throws if the victim ends in any other way. */
export async function victimKilled(victim: RunningProgram): Promise<void> {
  const { code, signal } = await victim.waitForExit();
  if (signal !== 'SIGKILL')
    throw new Error(`the victim ended with ${signal ?? code}:\n${victim.stdout.join('\n')}`);
}

/** How many messages a stream holds. */
export async function waitingIn(scene: Scene, stream: string): Promise<number> {
  return (await scene.manager.streams.info(stream)).state.messages;
}

/** Starts a second worker, which settles all remaining messages. */
export async function takeOver(
  { scene, endpoint }: CrashScene,
  env: Environment = {},
): Promise<TakeoverResult> {
  const successor = await scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'successor', ...env });
  await until(
    async () => (await waitingIn(scene, 'WEBHOOKS')) + (await waitingIn(scene, 'WEBHOOKS_PARKED')) === 0,
  );
  await stopWorker(successor);
  const rows = await statisticsOf(scene);
  return {
    requests: endpoint.requests.length,
    webhookIds: new Set(endpoint.requests.map(({ webhookId }) => webhookId)).size,
    deadLetters: await waitingIn(scene, 'WEBHOOKS_DLQ'),
    counted: {
      attempts: sumOf(rows, 'http_attempts'),
      acknowledged: sumOf(rows, 'messages_acknowledged'),
      deadLettered: sumOf(rows, 'messages_dead_lettered'),
    },
  };
}
