import type { Settings } from '../../config/settings.ts';
import type { EndpointReporter } from '../../delivery/admission/endpoint-report.ts';
import type { OrderedQueueReader } from '../../delivery/ordered/ordered-reader.ts';
import { type MaintainedStatisticsStore, Statistics } from '../../delivery/statistics/statistics.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Topology } from '../topology/topology.ts';
import type { OwnInstance } from './instance.ts';

export type StatisticsParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly topology: Topology;
  readonly own: OwnInstance;
  readonly store: MaintainedStatisticsStore;
  readonly orderedReader: OrderedQueueReader<ReceivedMessage>;
  readonly reporter: EndpointReporter;
};

/** Other workers count this worker as dead after this many missing flushes, and not before `minMs` milliseconds. */
const HEARTBEAT_TIMEOUT = { intervals: 4, minMs: 30_000 };

/** Wires the statistics that are flushed into PostgreSQL. */
export function assembleStatistics(parts: StatisticsParts): Statistics {
  const { settings, log, topology, own, store, orderedReader, reporter } = parts;
  const { intervals, minMs } = HEARTBEAT_TIMEOUT;
  return new Statistics(
    {
      instanceId: own.instanceId,
      description: own,
      streamName: settings.STREAM_NAME,
      consumerName: settings.CONSUMER_NAME,
      queueGroup: settings.QUEUE_GROUP,
      silentAfterMs: Math.max(intervals * settings.STATS_INTERVAL_MS, minMs),
      maxRows: settings.ATTEMPT_BUFFER_ROWS,
      maxBytes: settings.ATTEMPT_BUFFER_BYTES,
      intervalMs: settings.STATS_INTERVAL_MS,
      log,
      async progress() {
        const progress = await topology.progress();
        return progress && { ...progress, pending: progress.pending + orderedReader.pending };
      },
      endpoints: () => reporter.takeChanges(),
    },
    store,
  );
}
