import type { NatsClient } from '../connection/client.ts';
import { listParked } from '../list-parked.ts';
import { ensureDrain } from '../parked-drain.ts';
import { pullQueue, type QueueOwner, type QueuesOptions } from '../pull-queue.ts';

/** `stream`: PARKED_STREAM_NAME. `take` has parked copies, and somebody else's messages there. */
export type ParkedQueuesOptions = Omit<QueuesOptions, 'by' | 'lanes'> & {
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  /** Of a drain, in milliseconds. */
  ackWaitMs(): number;
};

/** A drain pulls little at a time: two pulls keep it busy. */
const LANES = 2;

/** The queues of all endpoints in the parked stream: who has one, and what pulls from it. */
export function createParkedQueues(client: NatsClient, options: ParkedQueuesOptions) {
  const { stream: parkedStream, sourceStream, ackWaitMs } = options;
  const queues = { ...options, by: 'parked', lanes: LANES } as const;
  return {
    list: () => listParked(client, parkedStream, sourceStream),

    /** Pulls from the queue of an endpoint. Null where that is not possible now, which is said. */
    async open(endpointKey: string, owner: QueueOwner) {
      const ensure = () =>
        ensureDrain(client, { parkedStream, sourceStream, endpointKey, ackWaitMs: ackWaitMs() });
      const drain = await pullQueue(client, queues, ensure, owner);
      if (!('failed' in drain)) return drain;
      client.log.warn(drain.failed);
      return null;
    },
  };
}
