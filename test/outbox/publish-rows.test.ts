import { describe, expect, it } from 'vitest';
import type { OutboxRow } from '../../src/core/outbox/outbox-row.ts';
import type { PublishResult } from '../../src/core/outbox/publish-outcome.ts';
import type { Message, MessagePublisher } from '../../src/outbox/ports.ts';
import { publishAtOnce, publishInOrder } from '../../src/outbox/publish-rows.ts';
import { HandClock } from '../support/hand-clock.ts';

const rowOf = (id: number, orderingKey: string | null = null): OutboxRow => ({
  id,
  name: `n${id}`,
  data: String(id),
  webhookUrl: null,
  headers: null,
  messageId: `m${id}`,
  orderingKey,
  deliverAt: null,
  retries: 0,
});

/** A NATS that answers each message after 10 ms, and records the most messages in flight. */
function natsOf(clock: HandClock, answers: Readonly<Record<string, PublishResult>> = {}) {
  const sent: string[] = [];
  const inFlight = { now: 0, most: 0 };
  let sequence = 0;
  const publisher: MessagePublisher = {
    isConnected: () => true,
    publish(message: Message) {
      const id = Buffer.from(message.body).toString();
      sent.push(id);
      inFlight.most = Math.max(inFlight.most, ++inFlight.now);
      return new Promise((resolve) => {
        clock.after(10, () => {
          inFlight.now -= 1;
          resolve(answers[id] ?? { stored: { stream: 'W', sequence: ++sequence, duplicate: false } });
        });
      });
    },
  };
  return { publisher, sent, inFlight };
}

async function run<T>(clock: HandClock, work: Promise<T>, ms = 1000): Promise<T> {
  await clock.advanceAsync(ms);
  return work;
}

describe('rows without an ordering key', () => {
  it('are published at once', async () => {
    const clock = new HandClock();
    const { publisher, inFlight } = natsOf(clock);
    const publish = publishAtOnce({ publisher, clock, installationId: 'i', subjectPrefix: 'webhooks' });
    const outcomes = await run(clock, publish([rowOf(1), rowOf(2), rowOf(3)]));
    expect(inFlight.most).toBe(3);
    expect(outcomes[1]).toEqual({
      kind: 'published',
      subject: 'webhooks.n2',
      sequence: 2,
      duplicate: false,
      latencyMs: 10,
    });
  });

  it('are set aside one by one: another refusal than size is the fault of the row only if others were stored', async () => {
    const clock = new HandClock();
    const refusal: PublishResult = { failed: 'refused', detail: 'sealed' };
    const sealed = natsOf(clock, { 1: refusal, 2: refusal });
    const publishOn = (publisher: MessagePublisher) =>
      run(
        clock,
        publishAtOnce({ publisher, clock, installationId: 'i', subjectPrefix: 'webhooks' })([
          rowOf(1),
          rowOf(2),
        ]),
      );
    expect((await publishOn(sealed.publisher)).map(({ kind }) => kind)).toEqual(['left', 'left']);
    const one = natsOf(clock, { 2: refusal });
    expect((await publishOn(one.publisher)).map(({ kind }) => kind)).toEqual(['published', 'failed']);
  });

  it('are set aside before NATS sees them, if there is no message for them', async () => {
    const clock = new HandClock();
    const { publisher, sent } = natsOf(clock);
    const row = { ...rowOf(1), name: 'a b' };
    const publish = publishAtOnce({ publisher, clock, installationId: 'i', subjectPrefix: 'webhooks' });
    expect(await run(clock, publish([row]))).toMatchObject([{ kind: 'failed' }]);
    expect(sent).toEqual([]);
  });
});

describe('rows with an ordering key', () => {
  const rows = [rowOf(1, 'a'), rowOf(2, 'b'), rowOf(3, 'a'), rowOf(4, 'a'), rowOf(5, 'b')];

  it('are published one after the other, and different keys at once', async () => {
    const clock = new HandClock();
    const { publisher, sent, inFlight } = natsOf(clock);
    await run(
      clock,
      publishInOrder({ publisher, clock, installationId: 'i', subjectPrefix: 'webhooks' }, 1000)(rows),
    );
    expect(inFlight.most).toBe(2);
    expect(sent.filter((id) => '134'.includes(id))).toEqual(['1', '3', '4']);
  });

  it('wait behind a row that NATS does not take now, and go on behind one that NATS never takes', async () => {
    const clock = new HandClock();
    const { publisher } = natsOf(clock, {
      3: { failed: 'streamFull', detail: 'full' },
      2: { failed: 'tooLarge', detail: 'large' },
    });
    const publish = publishInOrder(
      { publisher, clock, installationId: 'i', subjectPrefix: 'webhooks' },
      1000,
    );
    const outcomes = await run(clock, publish(rows));
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      'published',
      'failed',
      'left',
      'notTried',
      'published',
    ]);
  });

  it('are not begun after the time of the batch, except the first one of each key', async () => {
    const clock = new HandClock();
    const { publisher } = natsOf(clock);
    const publish = publishInOrder({ publisher, clock, installationId: 'i', subjectPrefix: 'webhooks' }, 10);
    const outcomes = await run(clock, publish(rows));
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      'published',
      'published',
      'notTried',
      'notTried',
      'notTried',
    ]);
  });
});
