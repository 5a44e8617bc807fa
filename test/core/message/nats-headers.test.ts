import { describe, expect, it } from 'vitest';
import { Header, isWorkerHeader, NATS_HEADERS } from '../../../src/core/message/nats-headers.ts';

describe('the table of NATS headers', () => {
  it('has each name once, whatever its case', () => {
    const names = Object.values(Header).map((name) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
  });

  it('explains each header in a sentence', () => {
    for (const { meaning } of Object.values(NATS_HEADERS)) expect(meaning).toMatch(/^[A-Z`].*\.$/);
  });

  it.each([
    ['Nats-Msg-Id', false],
    ['Webhook-Delivery-Id', false],
    ['Webhook-Deliver-At', false],
    ['Webhook-Expires-At', false],
    ['Webhook-Replayed', false],
    ['X-Event-Type', false],
    ['Content-Type', false],
    ['traceparent', false],
    ['Webhook-Endpoint-Id', false],
    ['Webhook-Payload', false],
    ['Webhook-Attempts', true],
    ['webhook-original-SUBJECT', true],
    ['Webhook-First-Seen', true],
    ['Webhook-Not-Before', true],
    ['webhook-dead-letter-reason', true],
    ['Webhook-Dead-Letter-Part', true],
    ['Webhook-Original-Nats-Msg-Id', false],
    ['X-Of-The-Publisher', false],
  ])('says whether only workers write %s: %s', (name, expected) => {
    expect(isWorkerHeader(name)).toBe(expected);
  });
});
