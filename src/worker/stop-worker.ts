import { withTimeout } from '../runtime/with-timeout.ts';
import type { AssembledWorker } from './assemble/worker.ts';

/** How long attempts that are aborted may take to be handed back, in milliseconds (DESIGN.md part 10). */
const ABORT_MS = 2000;

export type Stopped = {
  /** Attempts that were under way and finished. */
  readonly drained: number;
  /** Attempts that took longer than the drain, and were parked for other workers. */
  readonly aborted: number;
  /** False where the server may not have heard all of it: it hands those out again. */
  readonly acksConfirmed: boolean;
};

/** Finishes what is under way, aborts what takes too long, and makes sure that the server heard about all of it. */
export async function stopDelivering(worker: AssembledWorker, drainMs: number): Promise<Stopped> {
  const underWay = worker.slots.busy();
  const drainUntil = performance.now() + drainMs;
  worker.stopping.abort();
  worker.ackPending.stop();
  worker.ordered.messages.stop();
  const sources = [worker.consumer, worker.parkedQueues, worker.scheduledQueues, worker.ordered.keys];
  await withTimeout(drainMs, Promise.all(sources.map((source) => source.stop())));
  await worker.slots.whenIdle(Math.max(0, drainUntil - performance.now()));
  const aborted = worker.slots.busy();
  worker.admission.close();
  worker.sender.abortAll();
  await worker.slots.whenIdle(ABORT_MS);
  for (const message of worker.deferred.takeAll()) worker.settlement.requeue(message, 0);
  worker.settlement.stop();
  const [acked, parked] = await Promise.all([
    worker.acks.flush(ABORT_MS),
    worker.parkedWriter.flush(ABORT_MS),
  ]);
  worker.parkedWriter.stop();
  const acksConfirmed = acked && parked;
  return { drained: Math.max(0, underWay - aborted), aborted, acksConfirmed };
}
