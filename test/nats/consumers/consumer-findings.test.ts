import type { ConsumerConfig, ConsumerInfo } from 'nats';
import { describe, expect, it } from 'vitest';
import { groupConsumerFindings } from '../../../src/nats/consumers/consumer-findings.ts';

const WANTED = {
  stream: 'WEBHOOKS',
  durable: 'workers',
  subjects: ['webhooks.*'],
  ackWaitMs: 60_000,
  maxAckPending: 100_000,
};

/** What is found about a durable as a worker makes it, but for these changes. */
function found(config: object, info: object = {}, wanted: object = {}) {
  const made = {
    ack_policy: 'explicit',
    filter_subject: 'webhooks.*',
    ack_wait: 60e9,
    max_deliver: -1,
    max_ack_pending: 100_000,
    replay_policy: 'instant',
  } as unknown as ConsumerConfig;
  const given = {
    stream_name: 'WEBHOOKS',
    name: 'workers',
    paused: false,
    config: { ...made, ...config },
    ...info,
  } as ConsumerInfo;
  return groupConsumerFindings(given, { ...WANTED, ...wanted });
}

describe('the durable', () => {
  it('has no findings as a worker makes it', () => {
    expect(found({})).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ['another filter', { filter_subject: 'orders.*' }, /takes orders\.\*, not SUBJECT=webhooks\.\*/],
    ['max_deliver', { max_deliver: 3 }, /at most 3 times/],
    ['headers_only', { headers_only: true }, /delivers only the headers of messages/],
    ['a priority policy', { priority_policy: 'overflow' }, /priority policy "overflow"/],
  ])('with %s is a problem', (_what, config, sentence) => {
    expect(found(config)).toEqual([{ sentence: expect.stringMatching(sentence), isProblem: true }]);
  });

  it('that is paused is a problem, with its end and the cure', () => {
    const until = '2027-01-31T12:00:00Z';
    expect(found({ pause_until: until }, { paused: true })).toEqual([
      {
        sentence: `The durable workers is paused until ${until}, and delivers nothing: \`nats consumer resume WEBHOOKS workers\`.`,
        isProblem: true,
      },
    ]);
  });

  it.each<[string, object, RegExp]>([
    ['a wider filter', { filter_subject: 'webhooks.>' }, /takes webhooks\.>/],
    ['another ack_wait', { ack_wait: 30e9 }, /ack_wait 30000 ms/],
    ['another max_ack_pending', { max_ack_pending: 5 }, /max_ack_pending 5/],
    ['a backoff', { backoff: [1e9] }, /its own backoff/],
    ['replay_policy original', { replay_policy: 'original' }, /at the speed at which they were published/],
    ['inactive_threshold', { inactive_threshold: 5e9 }, /is removed by NATS when no worker pulls for 5 s/],
    ['mem_storage', { mem_storage: true }, /keeps its state in memory/],
  ])('with %s is no problem', (_what, config, sentence) => {
    expect(found(config)).toEqual([{ sentence: expect.stringMatching(sentence), isProblem: false }]);
  });

  it('is not compared with settings that are not known', () => {
    const unknown = { subjects: null, ackWaitMs: null };
    expect(found({ filter_subject: 'orders.*', ack_wait: 1e9 }, {}, unknown)).toEqual([]);
  });
});
