import type { Settings } from '../config/settings.ts';
import { createAckBuffer } from '../nats/ack-buffer.ts';
import type { NatsClient } from '../nats/client.ts';
import { createDeadLetterWriter } from '../nats/dead-letters.ts';
import type { HandOut } from '../nats/hand-out.ts';
import { createParking } from '../nats/parking.ts';
import { createSettlement } from '../nats/settle.ts';
import type { OrderedTopology } from './ordered-topology.ts';
import type { Topology } from './topology.ts';

export type SettlingParts = {
  readonly settings: Settings;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  /** The server takes our words again, after it did not. */
  heard(): void;
  /** Keeps a message that could not be parked, or has to keep its order, or returns false. */
  setAside(message: HandOut, endpointKey: string): boolean;
};

/** Wires what says ack, nak and term, and what stores copies before. */
export function assembleSettling({
  settings,
  client,
  topology,
  orderedTopology,
  heard,
  setAside,
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
    setAside,
    deadLetters,
    ackWaitMs: topology.ackWaitMs,
    isGone,
  });
  return { acks, parking, settlement };
}

export type Settling = ReturnType<typeof assembleSettling>;
