import { DiscardPolicy, nanos, RetentionPolicy, type StreamConfig } from 'nats';
import { DEFAULT_GROUP, ORDERED_COPIES, parkedSubject } from './copy-subjects.ts';

type Wanted = {
  /** DLQ_STREAM_NAME, PARKED_STREAM_NAME or ORDERED_STREAM_NAME. */
  readonly name: string;
  /** STREAM_NAME. */
  readonly sourceStream: string;
  readonly replicas: number;
};

/** The key of the metadata of the stream of ordered webhooks that names its group. */
export const GROUP_METADATA = 'webhook-worker-group';

type WantedWorkQueue = Wanted & {
  /** ACK_WAIT_MS. If a worker died after it stored a copy, the redelivered message is copied again after this time. */
  readonly ackWaitMs: number;
};

/** The options of each internal stream. */
export type InternalStreamOptions = {
  readonly deadLetters: Wanted;
  readonly parked: WantedWorkQueue;
  readonly ordered: WantedWorkQueue & {
    /** ORDERED_SUBJECT. */
    readonly subjects: readonly string[];
    /** QUEUE_GROUP. */
    readonly group: string;
  };
};

/** A stream of the workers' own, which rows of `rule_nats_streams` do not configure. */
export type InternalStreamKind = keyof InternalStreamOptions;

type Found<W> = {
  readonly config: StreamConfig;
  readonly wanted: W;
  /** The command that changes the stream, to be pasted: `--max-age 0` is given. */
  edit(flags: string): string;
};

/** How an existing stream differs, with the cure: completes "The stream X …". False: the stream does not differ so. */
type Warning<W> = (found: Found<W>) => string | false;

export type InternalStreamDescription<W extends Wanted> = {
  /** The setting that names it: `DLQ_STREAM_NAME`. */
  readonly setting: string;
  /** Completes "make the stream X …": `for dead letters`. */
  readonly purpose: string;
  /** The subjects that the stream must carry. */
  subjects(wanted: W): string[];
  /** The config of this stream, beside the common one: no limits, file storage. */
  config(wanted: W): Partial<StreamConfig>;
  /** Of a stream that must be a work queue: completes "The stream X has retention Y, …". Null: any retention will do. */
  readonly whyNoWorkQueue: ((retention: RetentionPolicy) => string) | null;
  /** True if the stream has a limit, so that it may have refused messages. */
  canFill(config: StreamConfig): boolean;
  /** In the order of the log lines. */
  readonly warnings: readonly Warning<W>[];
};

/** The default of the server, in milliseconds. */
const DUPLICATE_WINDOW_MS = 120_000;

/** How long the server remembers a `Nats-Msg-Id`, in milliseconds. A message copied again within this time stays one copy. */
function duplicateWindowMs({ ackWaitMs }: WantedWorkQueue): number {
  return Math.max(DUPLICATE_WINDOW_MS, 2 * ackWaitMs);
}

/** Delivered copies are removed: the durables of these streams are removed and recreated, and each starts at the first message. */
function workQueueConfig(wanted: WantedWorkQueue): Partial<StreamConfig> {
  return {
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    duplicate_window: nanos(duplicateWindowMs(wanted)),
  };
}

const hasTotalLimit = ({ max_msgs, max_bytes }: StreamConfig) => max_msgs > 0 || max_bytes > 0;
const hasAnyLimit = (config: StreamConfig) => hasTotalLimit(config) || config.max_msgs_per_subject > 0;

const dropsOldest: Warning<Wanted> = ({ config, edit }) =>
  config.discard !== 'new' &&
  `drops its oldest webhooks when it is full: ${edit('--discard new')} refuses new ones`;
const dropsAfterAge: Warning<Wanted> = ({ config, edit }) =>
  config.max_age > 0 &&
  `drops webhooks that wait for more than ${config.max_age / nanos(1000)} s: ${edit('--max-age 0')}`;
const forgetsWaiting: Warning<Wanted> = ({ config }) =>
  config.storage === 'memory' &&
  'loses all waiting webhooks when nats-server restarts, because its storage is memory';

export const INTERNAL_STREAMS: {
  readonly [K in InternalStreamKind]: InternalStreamDescription<InternalStreamOptions[K]>;
} = {
  /**
   * Keeps one message per subject, for ever, and refuses a second one: a dead letter that is written again after a crash stays
   * one dead letter. The stream has no limits: a full stream would refuse dead letters, and NATS would redeliver their messages
   * for ever.
   */
  deadLetters: {
    setting: 'DLQ_STREAM_NAME',
    purpose: 'for dead letters',
    subjects: ({ sourceStream }) => [`dlq.${sourceStream}.>`],
    config: ({ sourceStream }) => ({
      description: `Webhooks of ${sourceStream} that were given up`,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      discard_new_per_subject: true,
      max_msgs_per_subject: 1,
    }),
    whyNoWorkQueue: null,
    canFill: hasTotalLimit,
    warnings: [
      ({ config, edit }) =>
        (config.max_msgs_per_subject !== 1 || !config.discard_new_per_subject || config.discard !== 'new') &&
        `may keep a dead letter twice, or replace it: ${edit('--discard new --discard-per-subject --max-msgs-per-subject 1')}`,
      ({ config, edit }) =>
        hasTotalLimit(config) &&
        `can become full, and then refuses dead letters, whose messages NATS redelivers again and again: ${edit('--max-msgs -1 --max-bytes -1')}`,
      ({ config, edit }) =>
        config.max_age > 0 && `removes dead letters after some time: ${edit('--max-age 0')}`,
      ({ config }) =>
        config.storage === 'memory' &&
        'loses all dead letters when nats-server restarts, because its storage is memory',
    ],
  },

  /** Holds webhooks while their endpoints have no capacity. The stream has no limits, so that no parked webhook is dropped. */
  parked: {
    setting: 'PARKED_STREAM_NAME',
    purpose: 'for parked webhooks',
    subjects: ({ sourceStream }) => [parkedSubject({ sourceStream, group: DEFAULT_GROUP }, '>')],
    config: (wanted) => ({
      ...workQueueConfig(wanted),
      description: `Webhooks of ${wanted.sourceStream} that wait until their endpoints have capacity`,
    }),
    whyNoWorkQueue: (retention) =>
      retention === 'limits'
        ? 'so delivered copies would stay in the stream, and be delivered again and again'
        : 'so the stream drops copies while no consumer reads it',
    canFill: hasAnyLimit,
    warnings: [
      dropsOldest,
      dropsAfterAge,
      ({ config, edit }) =>
        hasAnyLimit(config) &&
        `can become full, and then endpoints without capacity slow down the others: ${edit('--max-msgs -1 --max-bytes -1 --max-msgs-per-subject -1')}`,
      ({ config, edit }) =>
        config.max_msg_size > 0 &&
        `takes no webhook of more than ${config.max_msg_size} bytes, headers included: ${edit('--max-msg-size -1')}`,
      ({ config, wanted, edit }) =>
        config.duplicate_window < nanos(duplicateWindowMs(wanted)) &&
        `may hold two copies of a webhook whose worker died: ${edit(`--dupe-window ${duplicateWindowMs(wanted) / 1000}s`)}`,
      forgetsWaiting,
    ],
  },

  /** Holds ordered webhooks, and their copies for each of several endpoints. No limits, so that no waiting webhook is dropped. */
  ordered: {
    setting: 'ORDERED_STREAM_NAME',
    purpose: 'for ordered webhooks',
    subjects: ({ subjects, sourceStream }) => [...subjects, `${ORDERED_COPIES}${sourceStream}.>`],
    config: (wanted) => ({
      ...workQueueConfig(wanted),
      description: `Webhooks beside ${wanted.sourceStream} that are delivered in order`,
      metadata: { [GROUP_METADATA]: wanted.group },
    }),
    whyNoWorkQueue: () => 'and must be a work queue, so that delivered webhooks are removed',
    canFill: hasAnyLimit,
    warnings: [dropsOldest, dropsAfterAge, forgetsWaiting],
  },
};
