import { independent, type Service } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import type { AssembledWorker } from './assemble/worker.ts';

/**
 * How long a stop waits until aborted messages are parked or requeued, in milliseconds. After it, the stop
 * goes on, and NATS delivers the remaining messages again.
 */
const ABORT_MS = 2000;

export type Stopped = {
  /** Attempts that were in flight at the stop, and finished. */
  readonly drained: number;
  /** Attempts that took longer than the drain. Their messages were parked for other workers. */
  readonly aborted: number;
  /** False if the server may not have received all acks: it delivers those messages again. */
  readonly acksConfirmed: boolean;
};

/** The deliveries of a worker: the sources of messages, and the attempts in flight. */
export class Deliveries implements Service {
  readonly name = 'deliveries';
  readonly #worker: AssembledWorker;
  readonly #sources: Service;
  readonly #drainMs: number;
  #stopped: Stopped = { drained: 0, aborted: 0, acksConfirmed: true };

  /**
   * @param isOrdered True if there is a stream of ordered webhooks.
   * @param drainMs How long attempts in flight may go on after a stop, in milliseconds. Then they are aborted. SHUTDOWN_DRAIN_MS.
   */
  constructor(worker: AssembledWorker, isOrdered: boolean, drainMs: number) {
    this.#worker = worker;
    this.#drainMs = drainMs;
    this.#sources = independent('sources', sourcesOf(worker, isOrdered));
  }

  /** What was done with the attempts that were in flight at the stop. */
  get stopped(): Stopped {
    return this.#stopped;
  }

  async start(): Promise<void> {
    const { intake, deferred, dispatcher, ackPending } = this.#worker;
    deferred.start(intake.proceed);
    dispatcher.start((message) => void intake.runInSlot(message));
    ackPending.start();
    await this.#sources.start();
  }

  /** Finishes the attempts in flight, aborts attempts that take too long, and waits until the server has received every ack. */
  async stop(): Promise<void> {
    const { stopping, slots, ackPending, dispatcher, admission, sender } = this.#worker;
    const { deferred, settlement, acks, parkedWriter } = this.#worker;
    const inFlight = slots.busy();
    const drainUntil = performance.now() + this.#drainMs;
    stopping.abort();
    ackPending.stop();
    dispatcher.stop();
    // All at once: while one source waits for an answer of NATS, the others must take no message.
    await withTimeout(this.#drainMs, Promise.resolve(this.#sources.stop()));
    await slots.whenIdle(Math.max(0, drainUntil - performance.now()));
    const aborted = slots.busy();
    admission.close();
    sender.abortAll();
    await slots.whenIdle(ABORT_MS);
    for (const message of deferred.takeAll()) settlement.nak(message, 0);
    settlement.stop();
    const [acked, parked] = await Promise.all([acks.flush(ABORT_MS), parkedWriter.flush(ABORT_MS)]);
    parkedWriter.stop();
    this.#stopped = { drained: Math.max(0, inFlight - aborted), aborted, acksConfirmed: acked && parked };
  }
}

/** The sources of messages. Every source passes its messages to the intake. */
function sourcesOf(worker: AssembledWorker, isOrdered: boolean): Service[] {
  const { consumer, parkedQueues, reader, intake, capacity } = worker;
  const sink = intake.onMessage;
  return [
    {
      name: 'consumer',
      start: () => consumer.start({ capacity, onMessage: sink }),
      stop: () => consumer.stop(),
    },
    { name: 'parked queues', start: () => parkedQueues.start(sink), stop: () => parkedQueues.stop() },
    ...(isOrdered
      ? [{ name: 'ordered queues', start: () => reader.start(sink), stop: () => reader.stop() }]
      : []),
  ];
}
