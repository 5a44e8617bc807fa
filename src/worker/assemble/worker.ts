import { randomUUID } from 'node:crypto';
import type { Settings } from '../../config/settings.ts';
import { AckPendingMonitor } from '../../delivery/ack-pending-monitor.ts';
import { DeferredMessages } from '../../delivery/deferred-messages.ts';
import { type DeliverySteps, handleMessage } from '../../delivery/handle-message.ts';
import { withLocalFaultRetry } from '../../delivery/local-fault-retry.ts';
import { WebhookRegistry } from '../../delivery/registry/webhook-registry.ts';
import { Slots } from '../../delivery/slots.ts';
import { Statistics } from '../../delivery/statistics/statistics.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createPullConsumer } from '../../nats/consumers/pull-consumer.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Database } from '../connections/database.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';
import { assembleAdmission, assembleLimits } from './admission.ts';
import { assembleHealth } from './health.ts';
import { assembleSteps, retryPolicy } from './journey.ts';
import { logLocalFaults } from './local-fault-log.ts';
import { assembleOrdered } from './ordered.ts';
import { assembleSender } from './sender.ts';
import { assembleSettling } from './settlement.ts';
import { webhookRows } from './webhook-rows.ts';

export type WorkerParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  readonly database: Pick<Database, 'pool' | 'statisticsStore'>;
  /** Beyond ALLOWED_PRIVATE_CIDRS: where `up` has its own receiver. */
  readonly alsoAllowedCidrs?: readonly string[];
};

/** A message that a bug of ours stumbled over waits this long before it is tried again, in milliseconds. */
const INTERNAL_ERROR_DELAY_MS = 5000;
const BUG = 'This is a bug of the worker: please report it. The worker keeps the message and tries again.';
/** What is due comes even while no slot is free, so many at once: from then on it waits in the queue of its endpoint. */
const DUE_OVERCOMMIT = 8;
/** Of the slots, what messages have at once that waited for news of their row: the others are for healthy endpoints. */
const STALE_REGISTRY_SHARE = 1 / 4;
/** Peers take a worker for dead after this many flushes that did not come, and not before 30 s. */
const HEARTBEAT_TIMEOUT = { intervals: 4, atLeastMs: 30_000 };

/** Wires the parts of one worker. Nothing comes before its consumer and its drains are started. */
export function assembleWorker({
  settings,
  log,
  client,
  topology,
  orderedTopology,
  database: { pool, statisticsStore: store },
  alsoAllowedCidrs = [],
}: WorkerParts) {
  const stopping = new AbortController();
  const sender = assembleSender(settings, alsoAllowedCidrs);
  const statistics = new Statistics(
    {
      instanceId: randomUUID(),
      streamName: settings.STREAM_NAME,
      consumerName: settings.CONSUMER_NAME,
      queueGroup: settings.QUEUE_GROUP,
      silentAfterMs: Math.max(
        HEARTBEAT_TIMEOUT.intervals * settings.STATS_INTERVAL_MS,
        HEARTBEAT_TIMEOUT.atLeastMs,
      ),
      maxRows: settings.ATTEMPT_BUFFER_ROWS,
      maxBytes: settings.ATTEMPT_BUFFER_BYTES,
      intervalMs: settings.STATS_INTERVAL_MS,
      log,
      async progress() {
        const progress = await topology.progress();
        return progress && { ...progress, pending: progress.pending + ordered.keys.pending };
      },
      endpoints: () => reporter.takeChanges(),
    },
    store,
  );
  const settling = assembleSettling({
    settings,
    client,
    topology,
    orderedTopology,
    heard: () => consumer.onSlotFreed(),
    defer(message, endpointKey) {
      const isKept =
        message.orderingKey === null ? deferred.defer(message) : ordered.messages.defer(message, endpointKey);
      if (isKept) message.detach();
      return isKept;
    },
  });
  const { acks, settlement } = settling;
  /** None while the server takes no acks: what is delivered then would be delivered again. */
  const freeSlots = () => (acks.problem() === null ? slots.free() : 0);
  const ackPending = new AckPendingMonitor(() => topology.isNearAckPendingLimit());
  const { admission, parkedQueues, scheduledQueues, share, reporter } = assembleAdmission({
    settings,
    log,
    client,
    topology,
    slots: {
      free: freeSlots,
      outstanding: () => consumer.credits(),
    },
    freeForDue: () => (acks.problem() === null ? Math.max(DUE_OVERCOMMIT, slots.free()) : 0),
    take: takeCopy,
  });
  const limits = assembleLimits({ settings, log, pool, admission });
  const registry = new WebhookRegistry({
    policy: { retries: retryPolicy(settings), disabled: settings.DISABLED_ENDPOINT },
    rows: webhookRows(pool, settings.DATABASE_URL, log),
    subjects: [...settings.SUBJECT, ...settings.ORDERED_SUBJECT],
    log,
    onChanged: () => limits.onRegistryChanged(registry),
    onNotified: () => limits.refresh(),
  });
  const leftBytes = () => settings.DEFERRED_BYTES - deferred.bytes - ordered.messages.bytes;
  const deferred: DeferredMessages<ReceivedMessage> = new DeferredMessages({
    leftBytes,
    resume: proceed,
    maxResumedAtOnce: Math.max(1, Math.floor(STALE_REGISTRY_SHARE * settings.CONCURRENCY)),
    random: Math.random,
  });

  const steps = assembleSteps({
    ...settling,
    settings,
    log,
    topology,
    statistics,
    admission,
    parkedQueues,
    scheduledQueues,
    ackPending,
    registry,
    limits,
    deferred,
    send: withLocalFaultRetry(sender.send, stopping.signal, logLocalFaults(log)),
  });
  /** More came than there are slots: it is parked, wherever it goes. */
  const overflow: DeliverySteps<ReceivedMessage> = {
    ...steps,
    admit: () => ({ kind: 'noCapacity', reason: 'this worker has no slot for it' }),
  };

  const handle = (message: ReceivedMessage, steps: DeliverySteps<ReceivedMessage>) =>
    handleMessage(message, steps).catch((error) => {
      const about = { error: errorMessage(error), stack: error?.stack, sequence: message.sequence };
      log.error({ ...about, hint: BUG }, 'delivery.internal_error');
      settlement.requeue(message, INTERNAL_ERROR_DELAY_MS);
    });

  const slots = new Slots<ReceivedMessage>(
    settings.CONCURRENCY,
    async (message) => {
      if (message.isParkedCopy) share.started();
      await handle(message, message.orderingKey === null ? steps : ordered.inOrder);
      if (message.isParkedCopy) share.finished();
      if (message.orderingKey !== null) ordered.messages.onFinished(message);
    },
    () => {
      ordered.messages.onSlotFreed();
      consumer.onSlotFreed();
    },
  );

  function onMessage(message: ReceivedMessage): void {
    settlement.hold(message);
    void proceed(message);
  }

  async function proceed(message: ReceivedMessage): Promise<void> {
    if (message.orderingKey !== null) ordered.messages.onMessage(message);
    else await (slots.free() > 0 ? slots.run(message) : handle(message, overflow));
  }

  const ordered = assembleOrdered({
    ...settling,
    settings,
    log,
    client,
    topology,
    orderedTopology,
    admission,
    steps,
    free: () => freeSlots() - consumer.expectedSoon(),
    start: (message) => void slots.run(message),
    leftBytes,
  });

  /** One that owes a wait came only to be handed back until that is over. */
  function takeCopy(copy: ReceivedMessage): void {
    if (copy.isFirstDeliveryOfDelayed) settlement.requeue(copy, Math.max(0, copy.notBefore! - Date.now()));
    else onMessage(copy);
  }

  const consumer = createPullConsumer(
    client,
    {
      stream: settings.STREAM_NAME,
      durable: settings.QUEUE_GROUP,
      streamCreatedAt: () => topology.streamCreatedAt,
      maxBatch: settings.BATCH_SIZE ?? settings.CONCURRENCY,
      limits: () => topology.pullLimits,
      verify: () => topology.isCurrent(),
    },
    {
      capacity: () => freeSlots() - share.reservedSlots() - ordered.messages.reservedSlots(),
      onMessage,
      onSurplus: onMessage,
    },
  );

  const { health, inTrouble } = assembleHealth({
    ...settling,
    client,
    topology,
    orderedTopology,
    consumer,
    statistics,
    registry,
    stopping: stopping.signal,
  });

  return {
    stopping,
    sender,
    statistics,
    ...settling,
    slots,
    admission,
    parkedQueues,
    scheduledQueues,
    reporter,
    ackPending,
    deferred,
    ordered,
    limits,
    registry,
    consumer,
    health,
    inTrouble,
  };
}

export type AssembledWorker = ReturnType<typeof assembleWorker>;
