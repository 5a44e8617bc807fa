import { NatsError } from 'nats';
import { describe, expect, it } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { classifyNoReply, classifyReply } from '../../../src/nats/publishing/store-failure.ts';

const SUBJECT = 'webhooks.a';
const client = { connection: { info: { max_payload: 1000 } } } as unknown as NatsClient;

describe('a stream that refuses a message', () => {
  it.each([
    ['has no leader', 10008, 'again'],
    ['is offline', 10118, 'again'],
    ['is asked too much', 10167, 'again'],
    ['cannot store it', 10077, 'streamFull'],
    ['is in an account that is full', 10002, 'streamFull'],
    ['is on a server without room', 10047, 'streamFull'],
    ['takes no messages so large', 10054, 'tooLarge'],
    ['has a reason of its own', 10060, 'refused'],
  ])('%s (%i): %s', (_, code, expected) => {
    const result = classifyReply(SUBJECT, { err_code: code, description: 'why' });
    expect(result === 'again' ? result : result.failed).toBe(expected);
    if (result !== 'again')
      expect(result.detail).toContain(`the stream refuses the message to ${SUBJECT}: why (${code})`);
  });
});

describe('a message without an answer', () => {
  it.each([
    ['TIMEOUT', 'again'],
    ['DISCONNECT', 'again'],
    ['MAX_PAYLOAD_EXCEEDED', 'tooLarge'],
    ['PERMISSIONS_VIOLATION', 'denied'],
  ])('for %s: %s', (code, expected) => {
    const error = new NatsError('what the client says', code);
    const result = classifyNoReply(client, { subject: SUBJECT, data: new Uint8Array() }, error);
    expect(result === 'again' ? result : result.failed).toBe(expected);
    if (result !== 'again') expect(result.detail).toContain(SUBJECT);
  });

  it('for what is no failure of NATS is a bug, or the end of the client', () => {
    const message = { subject: SUBJECT, data: new Uint8Array() };
    for (const error of [new TypeError('a bug'), new NatsError('closed', 'CONNECTION_CLOSED')])
      expect(() => classifyNoReply(client, message, error)).toThrow(error);
  });
});
