import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../src/core/endpoint/registry.ts';
import { createMessageParser } from '../../src/core/message/envelope.ts';
import { handleMessage } from '../../src/delivery/handle-message.ts';
import { logAttempt } from '../../src/delivery/statistics/attempt-log.ts';
import { deadLetterRecord } from '../../src/delivery/statistics/records.ts';
import { registeredRow } from '../core/endpoint/registered-row.ts';
import { message } from './messages.ts';

const SECRET = 'sk-THE-SECRET';
const POLICY = {
  maxAttempts: 3,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1000, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};
const REGISTRY = {
  registry: new Registry(
    [
      { natsSubject: 'webhooks.*' },
      { id: 2, name: 'b', eventTypes: ['order.*'], natsSubject: 'webhooks.*' },
    ].map((row) => endpointOf(registeredRow(row), { retries: POLICY, disabled: 'dead-letter' as const })),
  ),
  asOf: 1,
};
const parse = createMessageParser();

/** Handles a message, and returns what was sent, copied, stored in SQL and logged. */
async function handled(data: Uint8Array) {
  const seen = { sent: 0, copies: 0, told: '' };
  const write = (line: string) => {
    seen.told += line;
  };
  const log = pino({ level: 'trace' }, { write });
  const none = () => {
    throw new Error('not needed');
  };
  await handleMessage(message('', { data, subject: 'webhooks.orders' }), {
    policy: POLICY,
    maxAgeMs: 0,
    registry: () => REGISTRY,
    parse,
    targetFor: (target) => target,
    fanOut: async () => {
      seen.copies += 1;
      return null;
    },
    admit: () => ({ kind: 'permit', release: () => {} }) as never,
    send: async () => {
      seen.sent += 1;
      return {
        outcome: { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null },
        startedAt: 0,
        durationMs: 1,
      };
    },
    hasRequeued: none,
    retryVia: () => 'nak',
    settle: async (_message, _delivery, _attempt, verdict) => verdict,
    record(received, delivery, attempt, disposition) {
      logAttempt(log, received, delivery, attempt, disposition);
      seen.told += JSON.stringify(deadLetterRecord(received, delivery, attempt, disposition, 16_384));
    },
    now: () => 1000,
    random: () => 0.5,
  });
  return seen;
}

const header = fc.constantFrom(
  `"Authorization":"Bearer ${SECRET}"`,
  `"Authorization: Bearer ${SECRET}":""`,
  `'Authorization':'${SECRET}'`,
  `"A":"${SECRET}`,
  `"X ${SECRET}":1`,
  `"Host":"${SECRET}"`,
);
const url = fc.constantFrom(
  '"webhook_url":"https://a.example/x"',
  '"webhook\\u005furl":"https://a.example/x"',
  "'webhook_url':'https://a.example/x'",
  'webhook_url: 1',
  '"data":{"webhook_url":NaN}',
);
const breakage = fc.constantFrom(
  '"t":NaN',
  "'t':1",
  '"t":undefined',
  '"t":01',
  '"t":"\n"',
  '',
  '"t"',
  '"t":1}',
);
const envelope = fc
  .tuple(header, url, breakage)
  .chain(([first, second, third]) =>
    fc.shuffledSubarray([`"headers":{${first}}`, second, third], { minLength: 3 }),
  )
  .map((fields) => `{${fields.join(',')}}`);

describe('an envelope that is not JSON', () => {
  it('is sent to no endpoint, and no header of it is in a row of SQL or in a line of the log', async () => {
    const before = fc.constantFrom('', ' ', '\u{feff}', '\n\t');
    const encoding = fc.constantFrom('utf8' as const, 'utf16le' as const);
    await fc.assert(
      fc.asyncProperty(before, envelope, encoding, async (space, text, into) => {
        const seen = await handled(Buffer.from(space + text, into));
        expect(seen).toMatchObject({ sent: 0, copies: 0 });
        expect(seen.told).toContain('"reason":"malformed"');
        expect(seen.told).not.toContain('SECRET');
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws, whatever its bytes are and wherever they are cut or changed', async () => {
    await fc.assert(
      fc.asyncProperty(envelope, fc.nat(), fc.uint8Array({ maxLength: 4 }), async (text, at, bytes) => {
        const data = Buffer.from(text);
        const index = at % data.length;
        await handled(Buffer.concat([data.subarray(0, index), bytes, data.subarray(index + bytes.length)]));
        await handled(data.subarray(0, index));
      }),
      { numRuns: 1000 },
    );
  });
});
