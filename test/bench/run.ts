import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../../src/runtime/failure.ts';
import type { BenchEndpoint } from './endpoint.ts';
import { type BenchProcess, cpuSeconds } from './process.ts';

/** The stream and durable of one run. */
export interface BenchQueue {
  publish(url: string, count: number): Promise<void>;
  /** Whether every message is acked. */
  drained(): Promise<boolean>;
}

export type BenchRun = {
  readonly name: string;
  readonly queue: BenchQueue;
  readonly endpoint: BenchEndpoint;
  readonly worker: BenchProcess;
  readonly messages: number;
  /** Undefined where the server is not ours, and its CPU time not ours to read. */
  readonly natsPid: number | undefined;
  /** Whether what the worker writes of `count` messages has been written; its CPU time belongs to them. */
  readonly recorded: (count: number) => Promise<boolean>;
};

/** CPU seconds are for 10 000 deliveries. */
export type Measurement = {
  readonly perSecond: number;
  readonly workerCpu: number | null;
  readonly natsCpu: number | null;
};

/** Delivered before the clock starts: the programs are compiled and their connections open by then. */
const WARM_UP = 2000;
const PATIENCE_MS = 120_000;
const LOOK_EVERY_MS = 50;

/**
 * Measures one worker. It is stopped (SIGSTOP) while the messages are stored, so that storing them costs it nothing, and
 * the clock runs from its resumption until the last request has come.
 *
 * @throws {UserError} when a message came twice or not at all.
 */
export async function measure(run: BenchRun): Promise<Measurement> {
  const { queue, endpoint, worker, messages, natsPid } = run;
  const warmUp = Math.min(WARM_UP, messages);
  const { reached: warm } = await endpoint.afterRequests(warmUp);
  await queue.publish(endpoint.url, warmUp);
  await inTime(run, warm, 'delivers its first messages');
  await settled(run, warmUp);

  worker.pause();
  await queue.publish(endpoint.url, messages);
  const before = await endpoint.totals();
  const { reached } = await endpoint.afterRequests(messages);
  const cpuBefore = { worker: cpuSeconds(worker.pid), nats: cpuSeconds(natsPid) };
  const startedAt = Date.now();
  worker.resume();
  const endedAt = await inTime(run, reached, 'delivers its messages');
  await settled(run, warmUp + messages);

  const after = await endpoint.totals();
  requireOnce(run, after.requests - before.requests, after.webhookIds - before.webhookIds);
  const per10k = (now: number | null, then: number | null) =>
    now === null || then === null ? null : ((now - then) * 10_000) / messages;
  return {
    perSecond: messages / ((endedAt - startedAt) / 1000),
    workerCpu: per10k(cpuSeconds(worker.pid), cpuBefore.worker),
    natsCpu: per10k(cpuSeconds(natsPid), cpuBefore.nats),
  };
}

/** Acks and statistics come behind the deliveries. */
async function settled(run: BenchRun, count: number): Promise<void> {
  const looking = (async () => {
    while (!((await run.queue.drained()) && (await run.recorded(count)))) await wait(LOOK_EVERY_MS);
  })();
  await inTime(run, looking, 'acks its messages');
}

async function inTime<T>({ name, worker }: BenchRun, work: Promise<T>, does: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new UserError(
            `${name}: the bench gave up after ${PATIENCE_MS / 1000} s of waiting until it ${does}.`,
          ),
        ),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([work, worker.failed, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

function requireOnce({ name, messages }: BenchRun, requests: number, webhookIds: number): void {
  if (requests === messages && webhookIds === messages) return;
  throw new UserError(
    `${name}: it made ${requests} requests with ${webhookIds} distinct webhook-ids of ${messages} messages: not each once.`,
  );
}
