import { describe, expect, it } from 'vitest';
import { heldFor, requiredFeatures } from '../../../src/core/message/required-features.ts';
import { FEATURES } from '../../../src/core/records/worker-instance.ts';

const ENVELOPE = '{"webhook_url":"https://example.com"}';

describe('the features that a message needs', () => {
  it.each([
    ['a bare payload without a URL', { 'Webhook-Payload': 'bare' }, '{"n":1}', []],
    ['a bare payload with webhook_url', { 'Webhook-Payload': 'bare' }, ENVELOPE, ['bare-payload']],
    ['webhook_url further down', { 'Webhook-Payload': 'bare' }, `{"data":${ENVELOPE}}`, []],
    ['webhook_url in an array', { 'Webhook-Payload': 'bare' }, `[${ENVELOPE}]`, []],
    ['webhook_url in escapes', { 'Webhook-Payload': 'bare' }, '{"webhook\\u005furl":1}', ['bare-payload']],
    ['broken JSON with webhook_url', { 'Webhook-Payload': 'bare' }, '{"webhook_url"', ['bare-payload']],
    ['an envelope', {}, ENVELOPE, []],
    ['a directed message', { 'Webhook-Endpoint-Id': '7' }, '1', ['directed-message']],
    ['a name and a key', { 'Webhook-Name': 'orders', 'Ordering-Key': 'k' }, '1', ['ordering-name']],
    [
      'parameters',
      { 'Webhook-Params': '{}', 'Webhook-Headers': '{}', 'Webhook-Max-Attempts': '3' },
      '1',
      ['message-parameters'],
    ],
    [
      'a time, a type and an id',
      { 'Webhook-Deliver-At': '1', 'X-Event-Type': 'a', 'Webhook-Event-Id': 'e' },
      '1',
      [],
    ],
  ])('%s', (_, headers, payload, expected) => {
    expect(requiredFeatures(headers, Buffer.from(payload))).toEqual(expected);
  });
});

describe('a message is held', () => {
  const old = { name: 'worker-1', features: ['instance-row'] };
  const current = { name: 'worker-2', features: FEATURES };

  it.each([
    ['no: it needs nothing', null, []],
    ['no: every worker has the feature', [current, current], ['bare-payload']],
    ['no: no worker runs', [], ['bare-payload']],
  ] as const)('%s', (_, live, required) => {
    expect(heldFor(live, required)).toBeNull();
  });

  it('while a live worker lacks a feature, and says which worker', () => {
    expect(heldFor([current, old, { ...old, name: 'a' }], ['bare-payload', 'directed-message'])).toEqual({
      detail:
        'workers of an older version run, and would not treat the message as it asks: a, worker-1 without bare-payload; ' +
        'a, worker-1 without directed-message; update them',
      lacking: [
        { feature: 'bare-payload', workers: ['a', 'worker-1'] },
        { feature: 'directed-message', workers: ['a', 'worker-1'] },
      ],
    });
  });

  it('while the live workers are not known', () => {
    expect(heldFor(null, ['bare-payload'])).toEqual({
      detail:
        'the message needs workers with bare-payload, and it is not known which workers run: PostgreSQL does not answer',
      lacking: [],
    });
  });
});
