import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import { describe, expect, it } from 'vitest';
import type { NewerStreamConfig } from '../../../src/nats/findings/finding.ts';
import {
  internalStreamFindings,
  shortAge,
  streamFindings,
} from '../../../src/nats/findings/stream-findings.ts';

/** A stream as a worker makes it. */
const MADE = {
  name: 'WEBHOOKS',
  subjects: ['webhooks.*'],
  retention: RetentionPolicy.Workqueue,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  duplicate_window: 120_000_000_000,
} as unknown as StreamConfig;
const WANTED = { sourceStream: 'WEBHOOKS', replicas: 1, ackWaitMs: 60_000 };

const found = (more: Partial<NewerStreamConfig>, stored: readonly string[] = ['webhooks.*']) =>
  streamFindings({ ...MADE, ...more } as StreamConfig, ['webhooks.*'], stored);
const parked = (more: Partial<NewerStreamConfig>) =>
  internalStreamFindings(
    'parked',
    { ...MADE, name: 'PARKED', subjects: ['parked.WEBHOOKS.>'], ...more } as StreamConfig,
    { ...WANTED, name: 'PARKED' },
  );

describe('the stream of webhooks', () => {
  it('has no findings as a worker makes it', () => {
    expect(found({})).toEqual([]);
    // An older server sends these as null or not at all, a newer one as false.
    expect(found({ allow_msg_ttl: false, sealed: false, no_ack: false, sources: [] })).toEqual([]);
  });

  it.each<[string, Partial<NewerStreamConfig>, RegExp]>([
    ['limits and discard old', { max_msgs: 5, discard: DiscardPolicy.Old }, /evicts its oldest messages/],
    ['max_age', { max_age: 60e9 }, /removes messages after 60 s/],
    ['memory storage', { storage: StorageType.Memory }, /stored in memory/],
    [
      'interest retention',
      { retention: RetentionPolicy.Interest },
      /drops messages that are published while/,
    ],
    [
      'max_msgs_per_subject, also with discard new',
      { max_msgs_per_subject: 2 },
      /only the newest 2 messages/,
    ],
    ['allow_msg_ttl', { allow_msg_ttl: true }, /removes a message when its Nats-TTL is over/],
    ['subject_delete_marker_ttl', { subject_delete_marker_ttl: 1e9 }, /ack and count the delete markers/],
    ['republish', { republish: { src: '>', dest: 'again.>' } }, /publishes each message again on again\.>/],
    ['mirror', { mirror: { name: 'ORDERS' } }, /is a mirror of the stream ORDERS/],
    ['sources', { sources: [{ name: 'A' }, { name: 'B' }] }, /copies the messages of A, B/],
    [
      'subject_transform',
      { subject_transform: { src: '', dest: 'x.>' } },
      /subject_transform from > to x\.>/,
    ],
    ['no_ack', { no_ack: true }, /sends no PubAck/],
    ['allow_rollup_hdrs', { allow_rollup_hdrs: true }, /Nats-Rollup removes the messages before it/],
    ['allow_msg_schedules', { allow_msg_schedules: true }, /delivers a schedule itself/],
    ['allow_msg_counter', { allow_msg_counter: true }, /replaces the body of each message by a counter/],
    ['persist_mode async', { persist_mode: 'async' }, /messages are lost although their publishers/],
  ])('with %s has one finding, which is no problem of health', (_what, more, sentence) => {
    expect(found(more)).toEqual([{ sentence: expect.stringMatching(sentence), isProblem: false }]);
  });

  it('that refuses messages when a subject is full loses none of them', () => {
    expect(found({ max_msgs_per_subject: 2, discard_new_per_subject: true })).toEqual([]);
  });

  it('that stores nothing on SUBJECT is a problem, with what the stream stores', () => {
    expect(found({}, ['hooks.*'])).toEqual([
      {
        sentence:
          'The stream WEBHOOKS stores hooks.*, and nothing that can match SUBJECT=webhooks.*, so workers get none of these ' +
          'messages: set SUBJECT to subjects that WEBHOOKS stores, or change the stream. It listens on webhooks.*.',
        isProblem: true,
      },
    ]);
  });

  it('that is sealed is a problem', () => {
    expect(found({ sealed: true })).toEqual([
      { sentence: expect.stringContaining('is sealed'), isProblem: true },
    ]);
  });
});

describe('a stream of the workers', () => {
  it('has no findings as a worker makes it', () => {
    expect(parked({})).toEqual([]);
  });

  it('that changes the subjects of copies is a problem, because no worker would find them', () => {
    expect(parked({ subject_transform: { src: 'parked.>', dest: 'moved.>' } })[0]).toEqual({
      sentence: expect.stringContaining('stores parked.WEBHOOKS.> under other subjects'),
      isProblem: true,
    });
  });

  it('that changes other subjects is no problem', () => {
    const transform = { src: 'other.>', dest: 'moved.>' };
    expect(parked({ subject_transform: transform }).filter(({ isProblem }) => isProblem)).toEqual([]);
  });

  it('names what it may lose', () => {
    expect(parked({ max_msgs_per_subject: 3 }).map(({ sentence }) => sentence)).toEqual([
      expect.stringContaining('keeps only the newest 3 messages of each subject'),
      expect.stringContaining('can become full'),
    ]);
  });
});

describe('a stream whose max_age ends before the retries', () => {
  const ends = (maxAgeSeconds: number, retriesLastMs: number | null) =>
    shortAge({ ...MADE, max_age: maxAgeSeconds * 1e9 }, retriesLastMs);

  it('is reported, with both times', () => {
    expect(ends(60, 63_000)).toEqual([
      {
        sentence:
          'The stream WEBHOOKS removes messages after 60 s (max_age), and retries of messages with a URL go on for 63 s: a message ' +
          'that fails for longer is removed without a dead letter. Set max_age to more, or MAX_AGE_HOURS to less.',
        isProblem: false,
      },
    ]);
  });

  it.each([
    ['has no max_age', 0, 63_000],
    ['has a longer max_age', 64, 63_000],
    ['is looked at without the settings of a worker', 60, null],
  ])('is not reported if it %s', (_what, maxAge, lastMs) => {
    expect(ends(maxAge, lastMs)).toEqual([]);
  });
});
