import { describe, expect, test } from 'vitest';
import { idProblem, parseNatsHeaders, subjectProblem } from '../../src/publishing/check-headers.ts';

const NOW = Date.UTC(2027, 0, 31, 12);
const parsed = (...texts: string[]) => parseNatsHeaders(texts, NOW);

test('NATS headers keep their names and values', () => {
  const texts = ['Webhook-Deliver-At: 2027-01-31T13:00:00Z', 'X-Event-Type:order.paid', 'traceparent: '];
  expect(parsed(...texts)).toEqual({
    headers: { 'Webhook-Deliver-At': '2027-01-31T13:00:00Z', 'X-Event-Type': 'order.paid', traceparent: '' },
  });
});

describe('a NATS header without effect is a problem', () => {
  test.each<[texts: string[], problem: string]>([
    [['no colon'], '"no colon" is not of the form "Name: value"'],
    [[': value'], '": value" has no valid name'],
    [['X Event: a'], '"X Event: a" has no valid name'],
    [['X-Größe: a'], 'has no valid name'],
    [['X-A: a\nX-B: b'], 'the value of X-A must be one line'],
    [['Nats-Msg-Id: 1'], 'use --id to set Nats-Msg-Id'],
    [['Ordering-Key: 1'], 'Ordering-Key alone orders nothing: use --ordering-key'],
    [['Webhook-Payloads: bare'], 'Did you mean Webhook-Payload?'],
    [['X-A: 1', 'x-a: 2'], 'x-a is given twice'],
    [
      ['Webhook-DeliverAt: 2027-02-01T00:00:00Z'],
      'no worker reads Webhook-DeliverAt. Did you mean Webhook-Deliver-At?',
    ],
    [['Webhook-Expire-At: 2027-02-01T00:00:00Z'], 'Did you mean Webhook-Expires-At?'],
    [
      ['Webhook-Deliver-At: tomorrow'],
      'the NATS header Webhook-Deliver-At is not a time: give ISO 8601 with a zone',
    ],
    [['webhook-deliver-at: 2027-01-31T12:00:00'], 'Webhook-Deliver-At is not a time'],
    [['Webhook-Deliver-At: 2h'], 'Webhook-Deliver-At is not a time'],
    [['Webhook-Expires-At: 2027-01-31T11:59:00Z'], 'Webhook-Expires-At: expired at 2027-01-31T11:59:00.000Z'],
    [
      ['Webhook-Deliver-At: 2027-02-02T00:00:00Z', 'Webhook-Expires-At: 2027-02-01T00:00:00Z'],
      'Webhook-Deliver-At, 2027-02-02T00:00:00.000Z, is not before Webhook-Expires-At',
    ],
    [['Webhook-Replayed: yes'], 'Webhook-Replayed is neither true nor false'],
  ])('%j', (texts, problem) => {
    expect(parsed(...texts)).toEqual({ problem: expect.stringContaining(problem) });
    expect(parsed(...texts)).toEqual({ problem: expect.stringMatching(/^--nats-header: /) });
  });
});

test.each([
  'webhooks.*',
  'webhooks.>',
  'webhooks..a',
  'web hooks',
  '.webhooks',
  '',
])('the subject "%s" is a problem', (subject) => {
  expect(subjectProblem(subject)).toContain(`--subject: "${subject}" is not a subject to publish to`);
});

test.each(['webhooks.orders', 'orders', 'a.b.c-d_e'])('the subject "%s" is not a problem', (subject) => {
  expect(subjectProblem(subject)).toBeNull();
});

test('an id that is empty or more than one line is a problem', () => {
  expect(idProblem(' ')).toContain('--id: an id must not be empty');
  expect(idProblem('a\nb')).toContain('--id: an id must be one line');
  expect(idProblem('orders-17')).toBeNull();
});
