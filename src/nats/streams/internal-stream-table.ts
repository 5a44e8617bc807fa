import { DiscardPolicy, nanos, RetentionPolicy, type StreamConfig } from 'nats';
import { ORDERED_COPIES, parkedSubject } from './copy-subjects.ts';

type Wanted = {
  /** DLQ_STREAM_NAME, PARKED_STREAM_NAME or ORDERED_STREAM_NAME. */
  readonly name: string;
  /** STREAM_NAME: the stream that this stream stands beside. */
  readonly sourceStream: string;
  readonly replicas: number;
};

type WantedWorkQueue = Wanted & {
  /** ACK_WAIT_MS: after it, a copy that a worker was lost with is stored once more. */
  readonly ackWaitMs: number;
};

/** What each internal stream is made for, and with. */
export type InternalStreamOptions = {
  readonly deadLetters: Wanted;
  readonly parked: WantedWorkQueue;
  readonly ordered: WantedWorkQueue & {
    /** ORDERED_SUBJECT. */
    readonly subjects: readonly string[];
  };
};

/** A stream that is made as workers need it, whatever rows of `rule_nats_streams` say. */
export type InternalStreamKind = keyof InternalStreamOptions;

type Found<W> = {
  readonly config: StreamConfig;
  readonly wanted: W;
  /** The command that changes the stream, to be pasted: `--max-age 0` is given. */
  edit(flags: string): string;
};

/** How a stream that is there differs, with the cure: completes "The stream X …". False: it does not differ so. */
type Warning<W> = (found: Found<W>) => string | false;

export type InternalStreamDescription<W extends Wanted> = {
  /** The setting that names it: `DLQ_STREAM_NAME`. */
  readonly setting: string;
  /** Completes "make the stream X …": `for dead letters`. */
  readonly purpose: string;
  /** What it must carry. */
  subjects(wanted: W): string[];
  /** What is its own beside; without limits, in files. */
  config(wanted: W): Partial<StreamConfig>;
  /** Of a stream that must be a work queue: completes "The stream X has retention Y, …" where it has another. */
  readonly whyNoWorkQueue: ((retention: RetentionPolicy) => string) | null;
  /** Whether it has a limit, and may have refused messages. */
  canFill(config: StreamConfig): boolean;
  /** In the order in which they are said. */
  readonly warnings: readonly Warning<W>[];
};

/** The server's own, in milliseconds. */
const DUPLICATE_WINDOW_MS = 120_000;

/** How long the server knows a `Nats-Msg-Id`: what is stored once more is known by it, and stays one copy. In milliseconds. */
function duplicateWindowMs({ ackWaitMs }: WantedWorkQueue): number {
  return Math.max(DUPLICATE_WINDOW_MS, 2 * ackWaitMs);
}

/** A copy that was delivered must be gone: the durables that take copies out come and go, and each starts at the beginning. */
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
  config.storage === 'memory' && 'forgets all that wait in it when nats-server restarts: it is in memory';

export const INTERNAL_STREAMS: {
  readonly [K in InternalStreamKind]: InternalStreamDescription<InternalStreamOptions[K]>;
} = {
  /**
   * Keeps one message a subject, for ever, and refuses a second: so a letter that is written again after a crash stays
   * one letter. It has no limits, since one that is full refuses letters, and the deliveries go round and round.
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
        `can become full, and then dead letters go round and round: ${edit('--max-msgs -1 --max-bytes -1')}`,
      ({ config, edit }) => config.max_age > 0 && `forgets dead letters after a time: ${edit('--max-age 0')}`,
      ({ config }) =>
        config.storage === 'memory' && 'forgets all dead letters when nats-server restarts: it is in memory',
    ],
  },

  /** Where webhooks wait whose endpoints have no room. Without limits, so that nothing that waits is dropped. */
  parked: {
    setting: 'PARKED_STREAM_NAME',
    purpose: 'for parked webhooks',
    subjects: ({ sourceStream }) => [parkedSubject(sourceStream, '>')],
    config: (wanted) => ({
      ...workQueueConfig(wanted),
      description: `Webhooks of ${wanted.sourceStream} that wait until their endpoints have room`,
    }),
    whyNoWorkQueue: (retention) =>
      retention === 'limits'
        ? 'so copies stay in it after they were delivered, and would be delivered again and again'
        : 'so it drops copies while nobody drains it',
    canFill: hasAnyLimit,
    warnings: [
      dropsOldest,
      dropsAfterAge,
      ({ config, edit }) =>
        hasAnyLimit(config) &&
        `can become full, and then endpoints without room hold up the others: ${edit('--max-msgs -1 --max-bytes -1 --max-msgs-per-subject -1')}`,
      ({ config, edit }) =>
        config.max_msg_size > 0 &&
        `takes no webhook of more than ${config.max_msg_size} bytes, headers included: ${edit('--max-msg-size -1')}`,
      ({ config, wanted, edit }) =>
        config.duplicate_window < nanos(duplicateWindowMs(wanted)) &&
        `may hold two copies of a webhook whose worker died: ${edit(`--dupe-window ${duplicateWindowMs(wanted) / 1000}s`)}`,
      forgetsWaiting,
    ],
  },

  /** Ordered webhooks, and the copies for each of several endpoints. Without limits, so that nothing that waits is dropped. */
  ordered: {
    setting: 'ORDERED_STREAM_NAME',
    purpose: 'for ordered webhooks',
    subjects: ({ subjects, sourceStream }) => [...subjects, `${ORDERED_COPIES}${sourceStream}.>`],
    config: (wanted) => ({
      ...workQueueConfig(wanted),
      description: `Webhooks beside ${wanted.sourceStream} that are delivered in order`,
    }),
    whyNoWorkQueue: () => 'and must be a work queue, so that what was delivered is gone',
    canFill: hasAnyLimit,
    warnings: [dropsOldest, dropsAfterAge, forgetsWaiting],
  },
};
