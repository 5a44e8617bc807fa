import type { Settings } from '../../config/settings.ts';
import { AckPendingMonitor } from '../../delivery/ack-pending-monitor.ts';
import { DeferredMessages } from '../../delivery/deferred-messages.ts';
import { holdForbidden } from '../../delivery/hold-forbidden.ts';
import { Intake } from '../../delivery/intake.ts';
import { withLocalFaultRetry } from '../../delivery/local-fault-retry.ts';
import { MemoryBudget } from '../../delivery/memory-budget.ts';
import { OrderedDispatcher } from '../../delivery/ordered/ordered-dispatcher.ts';
import { createOrderedSteps } from '../../delivery/ordered/ordered-steps.ts';
import { Settler } from '../../delivery/settler.ts';
import { Slots } from '../../delivery/slots.ts';
import { CallResults } from '../../delivery/statistics/call-results.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createPullConsumer } from '../../nats/consumers/pull-consumer.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { orderedCopySubject } from '../../nats/streams/copy-subjects.ts';
import { createCallResultsStore } from '../../postgres/calls-store.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Database } from '../connections/database.ts';
import type { ConfigurationWatch } from '../topology/configuration-watch.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';
import { assembleAdmission } from './admission.ts';
import { assembleHealth } from './health.ts';
import { describeInstance } from './instance.ts';
import { logLocalFaults } from './local-fault-log.ts';
import { assembleOrdered } from './ordered.ts';
import { assembleRegistry } from './registry.ts';
import { assembleSender } from './sender.ts';
import { assembleSettlement } from './settlement.ts';
import { assembleStatistics } from './statistics.ts';
import { assembleSteps } from './steps.ts';

export type WorkerParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  readonly configuration: ConfigurationWatch;
  readonly database: Pick<Database, 'pool' | 'statisticsStore'>;
  /** Allowed besides ALLOWED_PRIVATE_CIDRS: the address of the receiver that `up` starts. */
  readonly alsoAllowedCidrs?: readonly string[];
};

/** So many messages that are due may come even while no slot is free. They are parked for their endpoints then. */
const DUE_OVERCOMMIT = 8;
/** Share of the slots for messages that resume after a read of `rule_webhooks`. The other slots are for healthy endpoints. */
const STALE_REGISTRY_SHARE = 1 / 4;

/**
 * Wires the parts of one worker in one direction: each part gets the parts before it, and notifies others by listeners. Nothing
 * is pulled before the sources are started with `intake` as their sink.
 */
export function assembleWorker(parts: WorkerParts) {
  const { settings, log, client, topology, orderedTopology, configuration } = parts;
  const { pool, statisticsStore } = parts.database;
  const stopping = new AbortController();
  const own = describeInstance(settings, parts.alsoAllowedCidrs ?? []);
  const common = { settings, log, client, topology, orderedTopology, own };

  // Sending, slots and settlement.
  const sender = assembleSender(settings, parts.alsoAllowedCidrs ?? []);
  const slots = new Slots(settings.CONCURRENCY);
  const { acks, parkedWriter, settlement } = assembleSettlement(common);
  /** 0 while the server refuses acks, because it would deliver every message again. */
  const freeSlots = () => (acks.problem() === null ? slots.free() : 0);

  // Sources of messages.
  const consumer = createPullConsumer(client, {
    stream: settings.STREAM_NAME,
    durable: settings.QUEUE_GROUP,
    streamCreatedAt: () => topology.streamCreatedAt,
    maxBatch: settings.BATCH_SIZE ?? settings.CONCURRENCY,
    limits: () => topology.pullLimits,
    verify: () => topology.isCurrent(),
  });
  const { admission, parkedQueues, share, reporter } = assembleAdmission({
    ...common,
    slots: { free: freeSlots, outstanding: consumer.credits },
    dueCapacity: () => (acks.problem() === null ? Math.max(DUE_OVERCOMMIT, slots.free()) : 0),
  });
  const { reader, isAcked, copyOrder } = assembleOrdered({
    ...common,
    mayPull: () => acks.problem() === null,
    isPresentKey: (key) => registry.known?.byKey(key) !== undefined,
  });

  // Messages that wait outside the slots.
  const budget = new MemoryBudget(settings.DEFERRED_BYTES);
  const deferred = new DeferredMessages<ReceivedMessage>({
    budget,
    maxResumedAtOnce: Math.max(1, Math.floor(STALE_REGISTRY_SHARE * settings.CONCURRENCY)),
    clock: systemClock,
    random: Math.random,
  });
  const dispatcher = new OrderedDispatcher<ReceivedMessage>({
    slots: settings.CONCURRENCY,
    free: () => freeSlots() - consumer.expectedSoon(),
    admission,
    budget,
    reader,
    effects: settlement,
    clock: systemClock,
  });

  // Steps of a delivery.
  const { registry, limits, peers, peerKnowledge, holds } = assembleRegistry({
    settings,
    log,
    pool,
    own,
    admission,
  });
  const ackPending = new AckPendingMonitor(() => topology.isNearAckPendingLimit());
  const statistics = assembleStatistics({
    ...common,
    store: statisticsStore,
    orderedReader: reader,
    reporter,
  });
  const calls = new CallResults(createCallResultsStore(pool), log);
  const effects = settlement;
  const settler = new Settler<ReceivedMessage>({
    effects,
    deferred,
    ordered: dispatcher,
    now: Date.now,
    random: Math.random,
  });
  const steps = assembleSteps(settings, {
    send: holdForbidden(
      withLocalFaultRetry(sender.send, stopping.signal, logLocalFaults(log)),
      peerKnowledge,
      holds,
    ),
    effects,
    settler,
    hasGivenBack: () => consumer.hasGivenBack(),
    parkedStream: { problem: parkedWriter.problem, canFill: () => topology.parkedCanFill },
    admission,
    parkedQueues,
    ackPending,
    registry,
    limits,
    deferred,
    statistics,
    calls,
    log,
  });
  const orderedSteps = createOrderedSteps<ReceivedMessage>({
    steps,
    effects,
    admission,
    dispatcher,
    reader,
    holds,
    isAcked,
    copyOrder,
    copyKey: (orderingKey, endpointKey) => orderedCopySubject(settings.STREAM_NAME, orderingKey, endpointKey),
    ackWaitMs: () => topology.ackWaitMs,
  });
  const intake = new Intake<ReceivedMessage>({
    effects,
    slots,
    steps,
    orderedSteps,
    dispatcher,
    share,
    log,
    now: Date.now,
  });
  const capacity = () => freeSlots() - share.reservedSlots() - dispatcher.reservedSlots();

  slots.onFreed(() => dispatcher.onSlotFreed());
  slots.onFreed(() => consumer.onSlotFreed());
  acks.onAccepted(() => consumer.onSlotFreed());

  const { health, hasProblem } = assembleHealth({
    ...common,
    acks,
    parkedWriter,
    settlement,
    consumer,
    statistics,
    registry,
    peers,
    configuration,
    stopping: stopping.signal,
  });

  return {
    stopping,
    sender,
    slots,
    acks,
    parkedWriter,
    settlement,
    consumer,
    admission,
    parkedQueues,
    reporter,
    reader,
    deferred,
    dispatcher,
    registry,
    limits,
    peers,
    holds,
    ackPending,
    statistics,
    calls,
    intake,
    capacity,
    configuration,
    health,
    hasProblem,
  };
}

export type AssembledWorker = ReturnType<typeof assembleWorker>;
