import { NatsError } from 'nats';
import { describe, expect, it } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { classifyNoReply, classifyReply } from '../../../src/nats/publishing/store-failure.ts';

const SUBJECT = 'webhooks.a';
const client = { connection: { info: { max_payload: 1000 } } } as unknown as NatsClient;

describe('the failure of a message that is refused', () => {
  it.each([
    ['has no leader', 10008, 'again'],
    ['is offline', 10118, 'again'],
    ['gets too many requests', 10167, 'again'],
    ['cannot store the message', 10077, 'streamFull'],
    ['is in an account that is full', 10002, 'streamFull'],
    ['is on a server without space', 10047, 'streamFull'],
    ['takes only smaller messages', 10054, 'tooLarge'],
    ['has a reason of its own', 10060, 'refused'],
  ])('by a stream that %s (%i) is "%s"', (_, code, expected) => {
    const result = classifyReply(SUBJECT, { err_code: code, description: 'why' });
    expect(result === 'again' ? result : result.failed).toBe(expected);
    if (result !== 'again')
      expect(result.detail).toContain(`the stream refuses the message to ${SUBJECT}: why (${code})`);
  });
});

describe('the failure of a message without a reply', () => {
  it.each([
    ['TIMEOUT', 'again'],
    ['DISCONNECT', 'again'],
    ['MAX_PAYLOAD_EXCEEDED', 'tooLarge'],
    ['PERMISSIONS_VIOLATION', 'denied'],
  ])('with the client error %s is "%s"', (code, expected) => {
    const error = new NatsError('what the client says', code);
    const result = classifyNoReply(client, { subject: SUBJECT, data: new Uint8Array() }, error);
    expect(result === 'again' ? result : result.failed).toBe(expected);
    if (result !== 'again') expect(result.detail).toContain(SUBJECT);
  });

  it('is thrown if it is a bug or the end of the client', () => {
    const message = { subject: SUBJECT, data: new Uint8Array() };
    for (const error of [new TypeError('a bug'), new NatsError('closed', 'CONNECTION_CLOSED')])
      expect(() => classifyNoReply(client, message, error)).toThrow(error);
  });
});
