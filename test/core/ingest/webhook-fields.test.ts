import { describe, expect, test } from 'vitest';
import { readWebhookFields, textsOf, type WebhookFields } from '../../../src/core/ingest/webhook-fields.ts';

const read = (text: string) => readWebhookFields(Buffer.from(text));
const fieldsOf = (text: string) => read(text) as WebhookFields;
const pointersOf = (text: string) =>
  (read(text) as readonly { pointer: string }[]).map(({ pointer }) => pointer);

describe('where a webhook goes', () => {
  test.each([
    ['{"endpoint":"orders"}', { kind: 'name', name: 'orders', pointer: '/endpoint' }],
    ['{"endpoint":7}', { kind: 'row', id: 7, pointer: '/endpoint' }],
    ['{"config_id":7}', { kind: 'row', id: 7, pointer: '/config_id' }],
    ['{"config_id":"7"}', { kind: 'row', id: 7, pointer: '/config_id' }],
    ['{"config_id":"orders","webhook_url":null}', { kind: 'name', name: 'orders', pointer: '/config_id' }],
    ['{"webhook_url":"https://a/b"}', { kind: 'url', url: 'https://a/b' }],
  ])('%s', (text, destination) => {
    expect(fieldsOf(text).destination).toEqual(destination);
  });
});

test('values stay as they are written', () => {
  const fields = fieldsOf(
    '{"endpoint":"a","data":{"n": 1.10,"big":12345678901234567890},"deliver_at":1893456000.5}',
  );
  expect(Buffer.from(fields.data!).toString()).toBe('{"n": 1.10,"big":12345678901234567890}');
  expect(fields.deliverAt).toBe('1893456000.5');
});

test('data that is null is data, and any other field that is null is left out', () => {
  const fields = fieldsOf('{"endpoint":"a","data":null,"event_type":null,"headers":null}');
  expect([Buffer.from(fields.data!).toString(), fields.eventType, fields.headers]).toEqual([
    'null',
    null,
    null,
  ]);
});

test.each([
  ['5', ['']],
  ['[]', ['']],
  ['{}', ['']],
  ['{"endpoint":"a","webhook_url":"http://b"}', ['']],
  ['{"endpoint":true}', ['/endpoint']],
  ['{"endpoint":1.5}', ['/endpoint']],
  ['{"webhook_url":5}', ['/webhook_url']],
  ['{"endpoint":"a","event_id":5,"ordering_key":{}}', ['/event_id', '/ordering_key']],
  ['{"endpoint":"a","headers":[],"url_params":"a=b"}', ['/headers', '/url_params']],
  ['{"endpoint":"a","deliver_at":true}', ['/deliver_at']],
  ['{"endpoint":"a","max_attempts":"5"}', ['/max_attempts']],
  ['{"endpoint":"a","evnt/type":"x"}', ['/evnt~1type']],
])('%s is wrong at %j', (text, pointers) => {
  expect(pointersOf(text)).toEqual(pointers);
});

test('no value of the body is in a problem', () => {
  expect(JSON.stringify(read('{"endpoint":"a","event_id":["secret"],"headers":"secret"}'))).not.toContain(
    'secret',
  );
});

test('numbers and booleans of parameters become text, also under odd names', () => {
  const { texts } = textsOf(Buffer.from('{"a":1.10,"b":true,"c":"x","__proto__":"y"}'), '/url_params') as {
    texts: object;
  };
  expect(Object.entries(texts)).toEqual([
    ['a', '1.10'],
    ['b', 'true'],
    ['c', 'x'],
    ['__proto__', 'y'],
  ]);
  expect(textsOf(Buffer.from('{"a/b":[1]}'), '/headers')).toMatchObject({ pointer: '/headers/a~1b' });
});
