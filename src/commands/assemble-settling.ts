import type { Settings } from '../config/settings.ts';
import { createAckBuffer } from '../nats/ack-buffer.ts';
import type { NatsClient } from '../nats/client.ts';
import { createDeadLetterWriter } from '../nats/dead-letters.ts';
import type { HandOut } from '../nats/hand-out.ts';
import { createParking } from '../nats/parking.ts';
import { createSettlement } from '../nats/settle.ts';
import type { Topology } from './topology.ts';

export type SettlingParts = {
  readonly settings: Settings;
  readonly client: NatsClient;
  readonly topology: Topology;
  /** The server takes our words again, after it did not. */
  heard(): void;
  /** Keeps a message that could not be parked, or returns false. */
  setAside(message: HandOut): boolean;
};

/** Wires what says ack, nak and term, and what stores copies before. */
export function assembleSettling({ settings, client, topology, heard, setAside }: SettlingParts) {
  const isGone = (handOut: HandOut) => topology.isGone(handOut);
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
