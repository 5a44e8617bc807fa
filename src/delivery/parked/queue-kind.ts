import type { QueueConsumer } from '../admission/tracked-endpoint.ts';
import type { QueuePolicy } from './queue-policy.ts';

/**
 * One kind of queues of the parked stream: its policy, the facts that the policy needs, and what the rest of the worker learns
 * about its queues. `Q` is a queue as this kind knows it.
 */
export interface QueueKind<M, Q extends { readonly key: string } = { readonly key: string }, F = unknown> {
  readonly policy: QueuePolicy<F>;
  facts(queue: Q): F;
  /** How many messages of the queue may come now, as far as slots are free. */
  available(queue: Q): number;
  /** True if this worker still tracks the queue. If not, the queue comes back with the next list. */
  isTracked(queue: Q): boolean;
  /** Called when this worker has parked a message in the queue. */
  onParked(key: string): Q;
  /**
   * Called for each list, with all queues of this kind that hold messages.
   *
   * @param startedAt When the list began. Messages that were parked later may be missing.
   * @returns The queues that may be opened. If there are too many to track, each list returns a different part.
   */
  onListed(listed: ReadonlyMap<string, number>, startedAt: number): Iterable<Q>;
  /** True if the list shows that the queue holds no message. */
  isEmpty(queue: Q, listed: ReadonlyMap<string, number>, startedAt: number): boolean;
  onOpened(queue: Q, consumer: QueueConsumer): void;
  /** Called for each message, before the message goes on. */
  onMessage(queue: Q, message: M): void;
  onClosed(queue: Q): void;
}
