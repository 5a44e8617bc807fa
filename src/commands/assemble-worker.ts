import { randomUUID } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { createAddressRules } from '../core/address.ts';
import { createMessageParser } from '../core/envelope.ts';
import { countSettled } from '../core/stats.ts';
import { logAttempt } from '../delivery/attempt-log.ts';
import { handleMessage, type Surroundings } from '../delivery/handle-message.ts';
import { type Health, judgeHealth } from '../delivery/health.ts';
import { patientSender } from '../delivery/patient-sender.ts';
import { attemptRecord, deadLetterRecord } from '../delivery/records.ts';
import { Slots } from '../delivery/slots.ts';
import { Statistics, type StatisticsKeeper } from '../delivery/statistics.ts';
import { createSender } from '../http/sender.ts';
import { createAckBuffer } from '../nats/ack-buffer.ts';
import type { NatsClient } from '../nats/client.ts';
import { createDeadLetterWriter } from '../nats/dead-letters.ts';
import type { HandOut } from '../nats/hand-out.ts';
import { createPullConsumer } from '../nats/pull-consumer.ts';
import { createSettlement } from '../nats/settle.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { VERSION } from '../runtime/version.ts';
import { sayOwnFaults } from './own-faults.ts';
import type { Topology } from './topology.ts';

export type WorkerParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly keeper: StatisticsKeeper;
  /** Beyond ALLOWED_PRIVATE_CIDRS: where `up` has its own receiver. */
  readonly alsoAllowedCidrs?: readonly string[];
};

/** A message that a bug of ours stumbled over waits this long before it is tried again, in milliseconds. */
const STUMBLED_MS = 5000;
/** Peers take a worker for dead after this many flushes that did not come, and not before 30 s. */
const SILENT = { intervals: 4, atLeastMs: 30_000 };

/** Wires the parts of one worker. Nothing runs before `start`. */
export function assembleWorker({
  settings,
  log,
  client,
  topology,
  keeper,
  alsoAllowedCidrs = [],
}: WorkerParts) {
  const stopping = new AbortController();
  const sender = createSender({
    attemptTimeoutMs: settings.ATTEMPT_TIMEOUT_MS,
    connectTimeoutMs: settings.CONNECT_TIMEOUT_MS,
    maxResponseBytes: settings.MAX_RESPONSE_BYTES,
    egressProxy: settings.EGRESS_PROXY,
    addressRules: createAddressRules({
      allowedPorts: settings.ALLOWED_PORTS,
      allowedCidrs: [...settings.ALLOWED_PRIVATE_CIDRS, ...alsoAllowedCidrs],
    }),
    userAgent: `nats-webhook-worker/${VERSION}`,
  });
  const statistics = new Statistics(
    {
      instanceId: randomUUID(),
      streamName: settings.STREAM_NAME,
      consumerName: settings.CONSUMER_NAME,
      queueGroup: settings.QUEUE_GROUP,
      silentAfterMs: Math.max(SILENT.intervals * settings.STATS_INTERVAL_MS, SILENT.atLeastMs),
      maxRows: settings.ATTEMPT_BUFFER_ROWS,
      intervalMs: settings.STATS_INTERVAL_MS,
      log,
      progress: () => topology.progress(),
      endpoints: () => [],
    },
    keeper,
  );
  const acks = createAckBuffer(client, () => consumer.slotFreed());
  const settlement = createSettlement({
    client,
    acks,
    deadLetters: createDeadLetterWriter(client, {
      streamName: settings.DLQ_STREAM_NAME,
      sourceStream: settings.STREAM_NAME,
    }),
    ackWaitMs: topology.ackWaitMs,
    isGone: ({ streamCreated }) => streamCreated !== topology.streamCreated,
  });

  const storedBytes = settings.STORE_PAYLOADS === 'none' ? 0 : settings.STORE_PAYLOAD_BYTES;
  const around: Surroundings<HandOut> = {
    policy: {
      maxAttempts: settings.MAX_ATTEMPTS,
      terminalStatuses: new Set(settings.TERMINAL_STATUSES),
      backoff: {
        baseMs: settings.BACKOFF_BASE_MS,
        maxMs: settings.BACKOFF_MAX_MS,
        multiplier: 2,
        retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
      },
    },
    parse: createMessageParser(),
    send: patientSender(sender.send, stopping.signal, sayOwnFaults(log)),
    settle: settlement.settle,
    record(message, delivery, attempt, done) {
      logAttempt(log, message, delivery, attempt, done);
      statistics.add(
        countSettled(attempt, done, message.handOuts),
        attemptRecord(message, delivery, attempt, done, settings.ATTEMPT_LOG),
        deadLetterRecord(message, delivery, attempt, done, storedBytes),
      );
    },
    now: Date.now,
    random: Math.random,
  };

  const slots = new Slots<HandOut>(
    settings.CONCURRENCY,
    (message) =>
      handleMessage(message, around).catch((error) => {
        log.error(
          { error: errorMessage(error), stack: error?.stack, sequence: message.sequence },
          'a bug of ours',
        );
        settlement.handBack(message, STUMBLED_MS);
      }),
    () => consumer.slotFreed(),
  );
  const consumer = createPullConsumer(
    client,
    {
      stream: settings.STREAM_NAME,
      durable: settings.QUEUE_GROUP,
      streamCreated: () => topology.streamCreated,
      maxBatch: settings.BATCH_SIZE ?? settings.CONCURRENCY,
      limits: () => topology.pullLimits,
      isKnown: () => topology.isKnown(),
    },
    {
      free: () => (acks.trouble() === null ? slots.free() : 0),
      take(message) {
        settlement.hold(message);
        slots.take(message);
      },
      handBack: (message) => settlement.handBack(message, 0),
    },
  );

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
        postgres: statistics.trouble,
      },
      stopping.signal.aborted,
    );
  }

  /** Whether NATS answers, and yet something that we need there is missing. */
  const inTrouble = () => consumer.trouble() !== null || settlement.trouble() !== null;

  return { stopping, sender, statistics, acks, settlement, slots, consumer, health, inTrouble };
}

export type AssembledWorker = ReturnType<typeof assembleWorker>;
