import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { createAckBuffer } from '../../nats/settlement/ack-buffer.ts';
import { createDeadLetterWriter } from '../../nats/settlement/dead-letter-writer.ts';
import { createParkedWriter } from '../../nats/settlement/parked-writer.ts';
import { createSettlement } from '../../nats/settlement/settlement.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';

export type SettlingParts = {
  readonly settings: Settings;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  /** The server takes our words again, after it did not. */
  heard(): void;
  /** Keeps a message that could not be parked, or has to keep its order, or returns false. */
  defer(message: ReceivedMessage, endpointKey: string): boolean;
};

/** Wires what says ack, nak and term, and what stores copies before. */
export function assembleSettling({
  settings,
  client,
  topology,
  orderedTopology,
  heard,
  defer,
}: SettlingParts) {
  const isGone = (message: ReceivedMessage) =>
    message.orderingKey === null ? topology.isGone(message) : orderedTopology.isGone(message);
  const sourceStream = settings.STREAM_NAME;
  const acks = createAckBuffer(client, heard);
  const parkedWriter = createParkedWriter(client, {
    streamName: settings.PARKED_STREAM_NAME,
    sourceStream,
    isGone,
  });
  const deadLetters = createDeadLetterWriter(client, { streamName: settings.DLQ_STREAM_NAME, sourceStream });
  const settlement = createSettlement({
    client,
    acks,
    parkedWriter,
    defer,
    deadLetters,
    ackWaitMs: topology.ackWaitMs,
    isGone,
  });
  return { acks, parkedWriter, settlement };
}

export type Settling = ReturnType<typeof assembleSettling>;
