import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { HandOut } from '../../nats/messages/received-message.ts';
import { createAckBuffer } from '../../nats/settlement/ack-buffer.ts';
import { createDeadLetterWriter } from '../../nats/settlement/dead-letter-writer.ts';
import { createParking } from '../../nats/settlement/parked-writer.ts';
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
  defer(message: HandOut, endpointKey: string): boolean;
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
  const isGone = (handOut: HandOut) =>
    handOut.queue === null ? topology.isGone(handOut) : orderedTopology.isGone(handOut);
  const sourceStream = settings.STREAM_NAME;
  const acks = createAckBuffer(client, heard);
  const parking = createParking(client, { streamName: settings.PARKED_STREAM_NAME, sourceStream, isGone });
  const deadLetters = createDeadLetterWriter(client, { streamName: settings.DLQ_STREAM_NAME, sourceStream });
  const settlement = createSettlement({
    client,
    acks,
    parking,
    defer,
    deadLetters,
    ackWaitMs: topology.ackWaitMs,
    isGone,
  });
  return { acks, parking, settlement };
}

export type Settling = ReturnType<typeof assembleSettling>;
