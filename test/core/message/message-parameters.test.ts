import { describe, expect, it } from 'vitest';
import { createMessageParser } from '../../../src/core/message/envelope.ts';
import { messageParameters } from '../../../src/core/message/message-parameters.ts';
import { parseHeaders } from '../../../src/core/request/headers.ts';
import { queryOf } from '../../../src/core/request/params.ts';

const read = (headers: Record<string, string>) =>
  messageParameters({ header: (name) => headers[name] }, parseHeaders);

describe('the NATS headers that change a delivery', () => {
  it('are none for most messages', () => {
    expect(read({})).toBeUndefined();
    expect(read({ 'Webhook-Endpoint-Id': ' ', 'Webhook-Params': '', 'Nats-Msg-Id': '1' })).toBeUndefined();
  });

  it('are the row, the number of attempts, headers and params', () => {
    const parameters = read({
      'Webhook-Max-Attempts': ' 3 ',
      'Webhook-Endpoint-Id': '-7',
      'Webhook-Headers': '{"X-A":"b"}',
      'Webhook-Params': '{"a":"1 2","b":["x",true,12345678901234567890]}',
    });
    expect(parameters).toMatchObject({ maxAttempts: 3, endpointId: -7, headers: { list: ['X-A', 'b'] } });
    expect(queryOf((parameters as { params: Parameters<typeof queryOf>[0] }).params)).toBe(
      'a=1%202&b=x&b=true&b=12345678901234567890',
    );
  });

  it.each([
    ['Webhook-Max-Attempts', '0', 'is not a whole number from 1 to 100'],
    ['Webhook-Max-Attempts', '101', 'is not a whole number from 1 to 100'],
    ['Webhook-Max-Attempts', '1e1', 'is not a whole number from 1 to 100'],
    ['Webhook-Max-Attempts', '-1', 'is not a whole number from 1 to 100'],
    ['Webhook-Endpoint-Id', 'orders', 'is not the webhook_id of a row: a whole number'],
    ['Webhook-Endpoint-Id', '7.5', 'is not the webhook_id of a row: a whole number'],
    ['Webhook-Endpoint-Id', '9007199254740993', 'is not the webhook_id of a row: a whole number'],
    ['Webhook-Endpoint-Id', '7, 8', 'is not the webhook_id of a row: a whole number'],
    ['Webhook-Headers', '{"a":', 'is not valid JSON'],
    ['Webhook-Headers', 'nothing', 'is not valid JSON'],
    ['Webhook-Headers', '["a"]', ': headers is not an object'],
    ['Webhook-Headers', '{"Host":"x"}', ': header "Host" belongs to the connection: leave it out'],
    ['Webhook-Headers', '{"X-A":"b\\n"}', ': header "X-A" has characters that HTTP does not allow'],
    ['Webhook-Headers', '{"X-A":{}}', ': header "X-A" is not a string, number or boolean'],
    ['Webhook-Params', '{"a":{}}', ': param "a" is not a string, number or boolean, nor an array of those'],
    ['Webhook-Params', '7', ': params is not an object'],
    ['Webhook-Params', `{"a":"${'x'.repeat(65_536)}"}`, 'is longer than 65536 bytes'],
  ])('make the message malformed: %s %s', (name, value, why) => {
    expect(read({ [name]: value })).toEqual({
      kind: 'malformed',
      detail: `the NATS header ${name}${why.startsWith(':') ? '' : ' '}${why}`,
    });
  });

  it('never show a value in what is wrong', () => {
    for (const secret of ['{"a":"secret', '{"a":["secret",{}]}', '"secret"'])
      for (const name of ['Webhook-Headers', 'Webhook-Params'])
        expect(JSON.stringify(read({ [name]: secret }))).not.toContain('secret');
  });
});

const ENVELOPE = '{"webhook_url":"https://example.com/hook","data":{"n":1}}';
const parse = (payload: string, headers: Record<string, string>) =>
  createMessageParser()({ data: Buffer.from(payload), header: (name) => headers[name] });

describe('a payload that is said to be data', () => {
  it.each([
    ENVELOPE,
    '{"webhook_url":1}',
    '{"webhook_url',
    'webhook_url',
    '7',
  ])('is never an envelope: %s', (payload) => {
    expect(parse(payload, { 'Webhook-Payload': ' Bare ' })).toMatchObject({
      kind: 'bare',
      body: Buffer.from(payload),
    });
  });

  it('is an envelope without this header, or with an empty one', () => {
    expect(parse(ENVELOPE, {}).kind).toBe('envelope');
    expect(parse(ENVELOPE, { 'Webhook-Payload': '' }).kind).toBe('envelope');
  });

  it('is not guessed from another word', () => {
    expect(parse(ENVELOPE, { 'Webhook-Payload': 'bar' })).toEqual({
      kind: 'malformed',
      detail: 'the NATS header Webhook-Payload is not bare, the only value that it may have',
    });
  });
});

describe('an envelope', () => {
  it.each([
    ['Webhook-Endpoint-Id', '7'],
    ['Webhook-Headers', '{}'],
    ['Webhook-Params', '{}'],
  ])('cannot have %s', (name, value) => {
    expect(parse(ENVELOPE, { [name]: value })).toEqual({
      kind: 'malformed',
      detail:
        `the NATS header ${name} is for a payload without webhook_url: leave it out, or say with Webhook-Payload: bare ` +
        'that webhook_url is data',
    });
  });

  it('can have a number of attempts', () => {
    expect(parse(ENVELOPE, { 'Webhook-Max-Attempts': '2' })).toMatchObject({
      kind: 'envelope',
      parameters: { maxAttempts: 2 },
    });
  });
});
