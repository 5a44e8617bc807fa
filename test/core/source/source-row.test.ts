import { describe, expect, it } from 'vitest';
import { PAYMENTS_SOURCE } from '../../../src/core/source/payments.ts';
import { SOURCE_FIELDS, sourceRowOf } from '../../../src/core/source/source-row.ts';

describe('a source', () => {
  it('without fields checks nothing', () => {
    expect(sourceRowOf('orders', {}, [])).toEqual({
      name: 'orders',
      description: null,
      signature: null,
      secrets: [],
      keyRequired: false,
      schema: null,
      idempotencyKey: null,
      eventType: null,
      eventId: null,
      problem: null,
    });
  });

  it.each([
    ['hmac', { kind: 'hmac', header: 'x-webhook-signature', prefix: '', toleranceMs: 300_000 }],
    ['github', { kind: 'hmac', header: 'x-hub-signature-256', prefix: 'sha256=' }],
    ['standard-webhooks', { kind: 'standard-webhooks', header: 'webhook-signature' }],
    ['stripe', { kind: 'stripe', header: 'stripe-signature' }],
    ['none', null],
  ])('with the signature %s has its header', (signature, expected) => {
    const row = sourceRowOf('a', { signature }, []);
    expect(row.problem).toBeNull();
    if (expected === null) expect(row.signature).toBeNull();
    else expect(row.signature).toMatchObject(expected);
  });

  it.each([
    ['github', ['s'], 'header:X-GitHub-Delivery', 'header:X-GitHub-Event', 'header:X-GitHub-Delivery'],
    ['github', [], null, 'header:X-GitHub-Event', 'header:X-GitHub-Delivery'],
    ['stripe', ['s'], 'body:id', 'body:type', 'body:id'],
    ['standard-webhooks', ['whsec_aaaa'], 'header:webhook-id', 'body:type', 'header:webhook-id'],
    ['standard-webhooks', [], null, 'body:type', 'header:webhook-id'],
    ['hmac', ['s'], null, null, null],
  ])('of %s with the secrets %j declares what its senders say', (signature, secrets, idempotencyKey, eventType, eventId) => {
    expect(sourceRowOf('a', { signature }, secrets)).toMatchObject({
      idempotencyKey,
      eventType,
      eventId,
      problem: null,
    });
  });

  it('may declare something else', () => {
    const fields = { signature: 'github', idempotency_key: 'body:id', event_type: 'body:action' };
    expect(sourceRowOf('a', fields, ['s'])).toMatchObject({
      idempotencyKey: 'body:id',
      eventType: 'body:action',
    });
  });

  it.each([
    [{ signature: 'md5' }, [], 'signature is not one of none, hmac, github, standard-webhooks, stripe'],
    [{ signature: 5 }, [], 'signature is not a text'],
    [{ signature: 'hmac', signature_header: 'a b' }, [], 'signature_header is not the name of a header'],
    [{ signature: 'hmac', signature_header: '' }, [], 'signature_header is not the name of a header'],
    [{ tolerance_ms: 999 }, [], 'tolerance_ms is not a whole number'],
    [{ tolerance_ms: 86_400_001 }, [], 'tolerance_ms is not a whole number'],
    [{ tolerance_ms: 'soon' }, [], 'tolerance_ms is not a whole number'],
    [{ key_required: 'yes' }, [], 'key_required is neither true nor false'],
    [{ schema: 'text' }, [], 'the schema is neither'],
    [{ schema: { $ref: 'x' } }, [], 'another document'],
    [{ idempotency_key: 'event_id' }, [], 'idempotency_key: "event_id" is neither'],
    [{ event_type: 'x' }, [], 'event_type: "x" is neither'],
    [{ event_id: 'x' }, [], 'event_id: "x" is neither'],
    [{ signature: 'standard-webhooks' }, ['no secret!'], 'a secret is not whsec_<base64>'],
    [{ signature: 'hmac' }, ['ok', ''], 'a secret is empty'],
  ])('with %j and the secrets %j has a problem: %s', (fields, secrets, problem) => {
    const row = sourceRowOf('a', fields, secrets);
    expect(row.problem).toContain(problem);
    expect(row.problem).not.toContain('no secret!');
  });

  it.each(['', 'a.b', 'a b', '*', '>', 'ä', 'a/b', 'a'.repeat(201)])('has no name %j', (name) => {
    expect(sourceRowOf(name, {}, []).problem).toContain('its name');
  });

  it('of payments comes with the product, and is right', () => {
    expect(sourceRowOf('payments', PAYMENTS_SOURCE, [])).toMatchObject({
      problem: null,
      idempotencyKey: 'body:type+event_id',
    });
    expect(Object.keys(PAYMENTS_SOURCE).filter((field) => !SOURCE_FIELDS.includes(field))).toEqual([]);
  });
});
