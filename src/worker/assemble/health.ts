import { evaluateHealth, type Health } from '../../delivery/health.ts';
import type { Peers } from '../../delivery/peers.ts';
import type { WebhookRegistry } from '../../delivery/registry/webhook-registry.ts';
import type { Statistics } from '../../delivery/statistics/statistics.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import type { PullConsumer } from '../../nats/consumers/pull-consumer.ts';
import type { ConfigurationWatch } from '../topology/configuration-watch.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';
import type { AssembledSettlement } from './settlement.ts';

export type HealthParts = AssembledSettlement & {
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  readonly consumer: PullConsumer;
  readonly statistics: Statistics;
  readonly registry: WebhookRegistry;
  readonly peers: Peers;
  readonly configuration: ConfigurationWatch;
  readonly stopping: AbortSignal;
};

/** Wires the health of a worker, from the problems of its parts. */
export function assembleHealth(parts: HealthParts) {
  const {
    client,
    topology,
    orderedTopology,
    consumer,
    statistics,
    registry,
    peers,
    configuration,
    stopping,
  } = parts;
  const { acks, parkedWriter, settlement } = parts;

  function natsProblem(): string | null {
    if (!client.isConnected()) return 'not connected';
    const problem = consumer.problem();
    return acks.problem() ?? client.denied() ?? (problem === null ? null : (topology.problem() ?? problem));
  }

  function health(): Health {
    return evaluateHealth(
      {
        nats: natsProblem(),
        deadLetters: settlement.problem(),
        parking: parkedWriter.problem(),
        order: orderedTopology.problem(),
        postgres: statistics.problem ?? registry.problem,
        settings: peers.problem(),
        configuration: configuration.problem(),
      },
      stopping.aborted,
    );
  }

  /** True if NATS may answer, but a stream or a consumer that the worker needs is missing or refuses messages. */
  const hasProblem = () =>
    consumer.problem() !== null || settlement.problem() !== null || parkedWriter.problem() !== null;

  return { health, hasProblem };
}
