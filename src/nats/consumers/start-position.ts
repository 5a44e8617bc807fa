import { type ConsumerInfo, DeliverPolicy, type StreamInfo } from 'nats';
import { overlap } from '../../core/subject.ts';

/** Where a durable starts, as part of its config, and a sentence for a warning in the log if the position is not obvious. */
export type Start = {
  readonly config:
    | { readonly deliver_policy: DeliverPolicy.All | DeliverPolicy.New }
    | { readonly deliver_policy: DeliverPolicy.StartSequence; readonly opt_start_seq: number }
    | { readonly deliver_policy: DeliverPolicy.StartTime; readonly opt_start_time: string };
  readonly notice: string | null;
};

export type StartOptions = {
  readonly subjects: readonly string[];
  /** START_FROM: `all`, `new`, or a time (ISO 8601). */
  readonly startFrom: string | undefined;
  /** The last known ack floor (stream sequence) of a durable that was deleted and is created again. */
  readonly lastAckFloor: number | undefined;
};

/**
 * Chooses where a new durable starts. A workqueue stream holds only unacked messages, so the durable starts at the first one.
 * A stream with limits retention also keeps messages that other durables delivered long ago, so the durable starts after the
 * ack floor of the durables on the same subjects. The lowest ack floor decides, because delivering a message twice is better
 * than losing one.
 */
export function chooseStartPosition(
  stream: StreamInfo,
  consumers: readonly ConsumerInfo[],
  wanted: StartOptions,
): Start {
  if (wanted.lastAckFloor !== undefined) {
    return after(
      wanted.lastAckFloor,
      'because this group had acknowledged all earlier messages before its durable was deleted',
    );
  }
  if (wanted.startFrom !== undefined) return asked(wanted.startFrom);
  if (stream.config.retention !== 'limits' || stream.state.messages === 0) return fromTheStart(null);
  const sharing = consumers.filter((consumer) => filtersAnyOf(consumer, wanted.subjects));
  const [behind] = sharing.sort((a, b) => a.ack_floor.stream_seq - b.ack_floor.stream_seq);
  if (behind !== undefined) {
    return after(
      behind.ack_floor.stream_seq,
      `because the durable ${behind.name} on the same subjects has acknowledged all earlier messages`,
    );
  }
  return fromTheStart(
    `starts at the beginning: all ${stream.state.messages} messages that the stream keeps will be delivered (START_FROM=new skips them)`,
  );
}

function asked(startFrom: string): Start {
  if (startFrom === 'all') return fromTheStart('starts at the beginning, as START_FROM says');
  if (startFrom === 'new') {
    return {
      config: { deliver_policy: DeliverPolicy.New },
      notice: 'starts with the messages that are published from now on, as START_FROM says',
    };
  }
  const time = new Date(startFrom).toISOString();
  return {
    config: { deliver_policy: DeliverPolicy.StartTime, opt_start_time: time },
    notice: `starts with the messages that were published from ${time} on, as START_FROM says`,
  };
}

function fromTheStart(notice: string | null): Start {
  return { config: { deliver_policy: DeliverPolicy.All }, notice };
}

function after(ackFloor: number, why: string): Start {
  return {
    config: { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: ackFloor + 1 },
    notice: `starts at sequence ${ackFloor + 1}, ${why}`,
  };
}

/** The subjects that a consumer takes. A consumer without a filter takes all. */
export function filtersOf({ config }: ConsumerInfo): readonly string[] {
  if (config.filter_subjects !== undefined && config.filter_subjects.length > 0)
    return config.filter_subjects;
  return config.filter_subject ? [config.filter_subject] : ['>'];
}

/** True if a durable also takes some of these subjects. A consumer that is not durable proves nothing about past deliveries. */
export function filtersAnyOf(consumer: ConsumerInfo, subjects: readonly string[]): boolean {
  if (!consumer.config.durable_name) return false;
  return filtersOf(consumer).some((filter) => subjects.some((subject) => overlap(filter, subject)));
}
