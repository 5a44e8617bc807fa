import { describe, expect, it } from 'vitest';
import type { Attempt, Outcome } from '../../src/core/attempt.ts';
import type { Delivery } from '../../src/core/delivery.ts';
import { createMessageParser } from '../../src/core/envelope.ts';
import type { Verdict } from '../../src/core/verdict.ts';
import { handleMessage, type Surroundings } from '../../src/delivery/handle-message.ts';
import type { Message } from '../../src/delivery/message.ts';
import { ENVELOPE, message } from './messages.ts';

const OK: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };
const FAILED: Outcome = { kind: 'responded', status: 500, retryAfterMs: null, excerpt: 'oops' };

/** Handles one message; its endpoint does `outcome`, and the server takes what it is told, or `settled` instead. */
async function handle(given: Message, outcome: Outcome = OK, settled?: Verdict) {
  const sent: Delivery[] = [];
  const steps: string[] = [];
  const recorded: { attempt: Attempt; done: Verdict }[] = [];
  const around: Surroundings<Message> = {
    policy: {
      maxAttempts: 3,
      terminalStatuses: new Set(),
      backoff: { baseMs: 1000, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 60_000 },
    },
    parse: createMessageParser(),
    async send(delivery) {
      steps.push('send');
      sent.push(delivery);
      return { outcome, startedAt: 1000, durationMs: 5 };
    },
    async settle(_message, _delivery, _attempt, verdict) {
      steps.push(`settle ${verdict.kind}`);
      return settled ?? verdict;
    },
    record(_message, _delivery, attempt, done) {
      steps.push(`record ${done.kind}`);
      recorded.push({ attempt, done });
    },
    now: () => 1000,
    random: () => 0.5,
  };
  await handleMessage(given, around);
  return { sent, steps, recorded: recorded[0]! };
}

describe('the journey of a message', () => {
  it('is sent, acked and recorded', async () => {
    const { sent, steps } = await handle(message(ENVELOPE));
    expect(steps).toEqual(['send', 'settle ack', 'record ack']);
    expect(Buffer.from(sent[0]!.body!).toString()).toBe('{"n":1}');
  });

  it('has the same id at every hand-out', async () => {
    const ids = [1, 2, 3].map(
      async (handOuts) => (await handle(message(ENVELOPE, { handOuts }))).sent[0]!.id,
    );
    expect(new Set(await Promise.all(ids))).toEqual(new Set(['WEBHOOKS-loyw3v28-7']));
  });

  it('is tried again after a delay that doubles', async () => {
    const delays = [1, 2].map(
      async (handOuts) => (await handle(message(ENVELOPE, { handOuts }), FAILED)).recorded.done,
    );
    expect(await Promise.all(delays)).toEqual([
      { kind: 'retry', delayMs: 1000 },
      { kind: 'retry', delayMs: 2000 },
    ]);
  });

  it('ends as a dead letter with its last attempt', async () => {
    const { steps, recorded } = await handle(message(ENVELOPE, { handOuts: 3 }), FAILED);
    expect(steps).toEqual(['send', 'settle deadLetter', 'record deadLetter']);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it('is not sent again when dead workers used up its attempts', async () => {
    const { sent, recorded } = await handle(message(ENVELOPE, { handOuts: 4 }));
    expect(sent).toEqual([]);
    expect(recorded.attempt.outcome).toEqual({ kind: 'spent', handOuts: 3 });
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason: 'exhausted' });
  });

  it.each([
    ['no URL', { event: 'x' }, 'unroutable'],
    ['no JSON', 'not json', 'unroutable'],
    ['nothing at all', '', 'unroutable'],
    ['a URL that is none', { webhook_url: 'nonsense' }, 'malformed'],
    ['a URL of another kind', { webhook_url: 'ftp://example.com/' }, 'malformed'],
    ['a header that breaks the request', { ...ENVELOPE, headers: { Host: 'evil' } }, 'malformed'],
    ['an envelope that breaks off', '{"webhook_url":"https://example.com/","data":{', 'malformed'],
    ['a password in its URL', { webhook_url: 'https://me:secret@example.com/' }, 'forbidden'],
  ])('with %s is a dead letter, without a request', async (_what, body, reason) => {
    const { sent, recorded } = await handle(message(body));
    expect(sent).toEqual([]);
    expect(recorded.done).toEqual({ kind: 'deadLetter', reason });
  });

  it('is recorded as what was done, not as what was wanted', async () => {
    const { recorded } = await handle(message('not json'), OK, { kind: 'handBack' });
    expect(recorded.done).toEqual({ kind: 'handBack' });
  });

  it('is handed back when our own shutdown cuts it off', async () => {
    expect((await handle(message(ENVELOPE), { kind: 'aborted' })).steps).toContain('settle handBack');
  });
});
