import { type DiscardPolicy, nanos, type RetentionPolicy, type StorageType, type StreamConfig } from 'nats';
import { describe, expect, it } from 'vitest';
import { internalStreamWarnings } from '../../../src/nats/streams/internal-stream.ts';
import { INTERNAL_STREAMS } from '../../../src/nats/streams/internal-stream-table.ts';

const WANTED = {
  name: 'S',
  sourceStream: 'WEBHOOKS',
  group: 'webhook-workers',
  replicas: 1,
  ackWaitMs: 60_000,
  subjects: ['webhooks.ordered.*'],
};
const NO_LIMITS = {
  name: 'S',
  storage: 'file' as StorageType,
  discard: 'new' as DiscardPolicy,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  max_msg_size: -1,
  max_msgs_per_subject: -1,
  duplicate_window: nanos(120_000),
};
const config = (more: Partial<StreamConfig> = {}) => ({ ...NO_LIMITS, ...more }) as StreamConfig;
const ONE_PER_SUBJECT = { max_msgs_per_subject: 1, discard_new_per_subject: true };
const edit = (flags: string) => `\`nats stream edit S ${flags}\``;

const OLD = { discard: 'old' as DiscardPolicy };
const MEMORY = { storage: 'memory' as StorageType };
const DROPS_OLDEST = `drops its oldest webhooks when it is full: ${edit('--discard new')} refuses new ones`;
const DROPS_OLD_AGE = `drops webhooks that wait for more than 60 s: ${edit('--max-age 0')}`;
const LOSES_WAITING = 'loses all waiting webhooks when nats-server restarts, because its storage is memory';

describe('the warnings about an existing stream', () => {
  const twice = `may keep a dead letter twice, or replace it: ${edit('--discard new --discard-per-subject --max-msgs-per-subject 1')}`;
  const full = `can become full, and then refuses dead letters, whose messages NATS redelivers again and again: ${edit('--max-msgs -1 --max-bytes -1')}`;
  it.each<[Partial<StreamConfig>, string[]]>([
    [{}, []],
    [{ max_msgs_per_subject: -1 }, [twice]],
    [{ discard_new_per_subject: false }, [twice]],
    [OLD, [twice]],
    [{ max_msgs: 9 }, [full]],
    [{ max_bytes: 9 }, [full]],
    [{ max_age: nanos(60_000) }, [`removes dead letters after some time: ${edit('--max-age 0')}`]],
    [MEMORY, ['loses all dead letters when nats-server restarts, because its storage is memory']],
  ])('name what dead letters may suffer, with the cure: %j', (more, sentences) => {
    const found = config({ ...ONE_PER_SUBJECT, ...more });
    expect(internalStreamWarnings('deadLetters', found, WANTED)).toEqual(
      sentences.map((sentence) => `The stream S ${sentence}.`),
    );
  });

  const becomesFull = `can become full, and then endpoints without capacity slow down the others: ${edit('--max-msgs -1 --max-bytes -1 --max-msgs-per-subject -1')}`;
  it.each<[Partial<StreamConfig>, string[]]>([
    [{}, []],
    [OLD, [DROPS_OLDEST]],
    [{ max_age: nanos(60_000) }, [DROPS_OLD_AGE]],
    [{ max_msgs: 9 }, [becomesFull]],
    [{ max_bytes: 9 }, [becomesFull]],
    [{ max_msgs_per_subject: 9 }, [becomesFull]],
    [
      { max_msg_size: 9 },
      [`takes no webhook of more than 9 bytes, headers included: ${edit('--max-msg-size -1')}`],
    ],
    [
      { duplicate_window: nanos(119_000) },
      [`may hold two copies of a webhook whose worker died: ${edit('--dupe-window 120s')}`],
    ],
    [MEMORY, [LOSES_WAITING]],
    [{ ...OLD, ...MEMORY, max_msgs: 9 }, [DROPS_OLDEST, becomesFull, LOSES_WAITING]],
  ])('name what parked webhooks may suffer, with the cure: %j', (more, sentences) => {
    expect(internalStreamWarnings('parked', config(more), WANTED)).toEqual(
      sentences.map((sentence) => `The stream S ${sentence}.`),
    );
  });

  it.each<[Partial<StreamConfig>, string[]]>([
    [{}, []],
    [OLD, [DROPS_OLDEST]],
    [{ max_age: nanos(60_000) }, [DROPS_OLD_AGE]],
    [{ max_msgs: 9, duplicate_window: 0, max_msg_size: 9 }, []],
    [MEMORY, [LOSES_WAITING]],
  ])('name what ordered webhooks may suffer, with the cure: %j', (more, sentences) => {
    expect(internalStreamWarnings('ordered', config(more), WANTED)).toEqual(
      sentences.map((sentence) => `The stream S ${sentence}.`),
    );
  });
});

describe('an internal stream', () => {
  it.each([
    ['deadLetters', { max_msgs_per_subject: 1 }, false],
    ['deadLetters', { max_bytes: 9 }, true],
    ['parked', {}, false],
    ['parked', { max_msgs_per_subject: 1 }, true],
    ['ordered', {}, false],
    ['ordered', { max_msgs: 9 }, true],
  ] as const)('of the kind %s with %j can become full: %s', (kind, more, canFill) => {
    expect(INTERNAL_STREAMS[kind].canFill(config(more))).toBe(canFill);
  });

  it.each([
    ['deadLetters', ['dlq.WEBHOOKS.>']],
    ['parked', ['parked.WEBHOOKS.>']],
    ['ordered', ['webhooks.ordered.*', 'ordered.WEBHOOKS.>']],
  ] as const)('of the kind %s carries %j', (kind, subjects) => {
    expect(INTERNAL_STREAMS[kind].subjects(WANTED)).toEqual(subjects);
  });

  it('recognises a second copy for twice the ack wait, and at least for two minutes', () => {
    for (const kind of ['parked', 'ordered'] as const) {
      const window = (ackWaitMs: number) =>
        INTERNAL_STREAMS[kind].config({ ...WANTED, ackWaitMs }).duplicate_window;
      expect([window(1000), window(60_000), window(60_001)]).toEqual(
        [120_000, 120_000, 120_002].map((ms) => nanos(ms)),
      );
    }
  });

  it('must be a work queue if delivered webhooks have to be removed', () => {
    const why = (kind: keyof typeof INTERNAL_STREAMS) =>
      INTERNAL_STREAMS[kind].whyNoWorkQueue?.('limits' as RetentionPolicy) ?? null;
    expect(why('deadLetters')).toBe(null);
    expect(why('parked')).toMatch(/delivered again and again$/);
    expect(why('ordered')).toMatch(/must be a work queue/);
  });
});
