import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../../src/runtime/failure.ts';
import type { BenchEndpoint } from './endpoint.ts';
import { type BenchProcess, cpuSeconds } from './process.ts';

/** The stream and durable of one run. */
export interface BenchQueue {
  publish(url: string, count: number): Promise<void>;
  /** Resolves to true if every message is acked. */
  isSettled(): Promise<boolean>;
}

export type BenchRun = {
  readonly name: string;
  readonly queue: BenchQueue;
  readonly endpoint: BenchEndpoint;
  readonly worker: BenchProcess;
  readonly messages: number;
  /** Undefined if the bench has not started the server, and so cannot read its CPU time. */
  readonly natsPid: number | undefined;
  /** Resolves to true if the worker has written the statistics of `count` messages. Their CPU time counts, too. */
  readonly recorded: (count: number) => Promise<boolean>;
};

/** CPU seconds are for 10 000 deliveries. */
export type Measurement = {
  readonly perSecond: number;
  readonly workerCpu: number | null;
  readonly natsCpu: number | null;
};

/** Deliveries before a run. Afterwards the program is compiled and its connections are open. */
export const WARM_UP = 2000;
/** This share of the messages is delivered before the clock starts, until a resumed worker has reached its full rate. */
const SHARE_LEFT_OUT = 0.2;
const MAX_WAIT_MS = 120_000;
const LOOK_EVERY_MS = 50;

/** How many of these messages are delivered before the clock starts. */
export function leftOut(messages: number): number {
  return Math.floor(messages * SHARE_LEFT_OUT);
}

/**
 * Measures one worker. The worker is stopped (SIGSTOP) while the messages are stored, so that storing costs the worker nothing.
 * The clock runs from the last request of the first fifth to the last request of all. The CPU time is counted from the same
 * request until all acks and rows are written.
 *
 * @throws {UserError} if a message arrived twice or not at all.
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
  const watched = natsPid === undefined ? [worker.pid] : [worker.pid, natsPid];
  const { reached: first } = await endpoint.afterRequests(leftOut(messages), watched);
  const { reached: last } = await endpoint.afterRequests(messages);
  worker.resume();
  const start = await inTime(run, first, 'delivers the first fifth of its messages');
  const end = await inTime(run, last, 'delivers its messages');
  await settled(run, warmUp + messages);

  const after = await endpoint.totals();
  requireOnce(run, after.requests - before.requests, after.webhookIds - before.webhookIds);
  const measured = messages - leftOut(messages);
  const per10k = (pid: number | undefined) => {
    const [now, then] = pid === undefined ? [null, null] : [cpuSeconds(pid), start.cpu[pid] ?? null];
    return now === null || then === null ? null : ((now - then) * 10_000) / measured;
  };
  return {
    perSecond: measured / ((end.at - start.at) / 1000),
    workerCpu: per10k(worker.pid),
    natsCpu: per10k(natsPid),
  };
}

/** Waits for the acks and the statistics, which come after the deliveries. */
async function settled(run: BenchRun, count: number): Promise<void> {
  const looking = (async () => {
    while (!((await run.queue.isSettled()) && (await run.recorded(count)))) await wait(LOOK_EVERY_MS);
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
            `${name}: the bench has waited for ${MAX_WAIT_MS / 1000} s until the worker ${does}.`,
          ),
        ),
      MAX_WAIT_MS,
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
    `${name} sent ${requests} requests with ${webhookIds} different webhook-ids for ${messages} messages. Each message must be sent once.`,
  );
}
