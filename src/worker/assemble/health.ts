import { type Health, judgeHealth } from '../../delivery/health.ts';
import type { LiveRegistry } from '../../delivery/registry/webhook-registry.ts';
import type { Statistics } from '../../delivery/statistics/statistics.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { PullConsumer } from '../../nats/consumers/pull-consumer.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';
import type { Settling } from './settlement.ts';

export type HealthParts = Settling & {
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  readonly consumer: PullConsumer;
  readonly statistics: Statistics;
  readonly registry: LiveRegistry;
  readonly stopping: AbortSignal;
};

/** Wires what the parts of a worker say of themselves. */
export function assembleHealth(parts: HealthParts) {
  const { client, topology, orderedTopology, consumer, statistics, registry, stopping } = parts;
  const { acks, parking, settlement } = parts;

  function natsTrouble(): string | null {
    if (!client.isConnected()) return 'not connected';
    const trouble = consumer.trouble();
    return acks.trouble() ?? client.denied() ?? (trouble === null ? null : (topology.trouble() ?? trouble));
  }

  function health(): Health {
    return judgeHealth(
      {
        nats: natsTrouble(),
        deadLetters: settlement.trouble(),
        parking: parking.trouble(),
        order: orderedTopology.trouble(),
        postgres: statistics.trouble ?? registry.trouble,
      },
      stopping.aborted,
    );
  }

  /** Whether NATS answers, and yet something that we need there is missing. */
  const inTrouble = () =>
    consumer.trouble() !== null || settlement.trouble() !== null || parking.trouble() !== null;

  return { health, inTrouble };
}
