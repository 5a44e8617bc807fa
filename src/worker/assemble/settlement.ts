import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { createAckBuffer } from '../../nats/settlement/ack-buffer.ts';
import { createDeadLetterWriter } from '../../nats/settlement/dead-letter-writer.ts';
import { createParkedWriter } from '../../nats/settlement/parked-writer.ts';
import { createSettlement } from '../../nats/settlement/settlement.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';

export type SettlementParts = {
  readonly settings: Settings;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
};

/** Wires the settlement of messages: ack, nak and term, parked copies, and dead letters. */
export function assembleSettlement({ settings, client, topology, orderedTopology }: SettlementParts) {
  const isGone = (message: ReceivedMessage) =>
    message.orderingKey === null ? topology.isGone(message) : orderedTopology.isGone(message);
  const { PARKED_STREAM_NAME, DLQ_STREAM_NAME } = settings;
  const owner = { sourceStream: settings.STREAM_NAME, group: settings.QUEUE_GROUP };
  const acks = createAckBuffer(client);
  const parkedWriter = createParkedWriter(client, { streamName: PARKED_STREAM_NAME, owner, isGone });
  const deadLetters = createDeadLetterWriter(client, { streamName: DLQ_STREAM_NAME, owner });
  const { ackWaitMs } = topology;
  const settlement = createSettlement({ client, acks, parkedWriter, deadLetters, ackWaitMs, isGone });
  return { acks, parkedWriter, settlement };
}

export type AssembledSettlement = ReturnType<typeof assembleSettlement>;
