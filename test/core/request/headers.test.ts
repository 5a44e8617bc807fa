import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  completeHeaders,
  NO_HEADERS,
  parseHeaders,
  type RequestHeaders,
} from '../../../src/core/request/headers.ts';

const parse = (json: string) => parseHeaders(Buffer.from(json));

function headers(json: string): RequestHeaders {
  const parsed = parse(json);
  if (parsed.kind !== 'headers') throw new Error(parsed.detail);
  return parsed;
}

const nats = (values: Record<string, string> = {}) => ({ header: (name: string) => values[name] });

describe('the headers of a message', () => {
  it('keep their order and their spelling', () => {
    expect(headers('{"X-b":"2","x-A":"1"}').list).toEqual(['X-b', '2', 'x-A', '1']);
  });

  it.each([
    ['"text"', 'text'],
    ['""', ''],
    ['"tab\\tand éÿ"', 'tab\tand éÿ'],
    ['12345678901234567890', '12345678901234567890'],
    ['1.0', '1.0'],
    ['false', 'false'],
  ])('may have the value %s, which is sent as %j', (json, text) => {
    expect(headers(`{"X-A":${json}}`).list).toEqual(['X-A', text]);
  });

  it('have the last value of a name that occurs twice, whatever its case', () => {
    expect(headers('{"X-A":"1","X-B":"2","x-a":"3"}').list).toEqual(['x-a', '3', 'X-B', '2']);
  });

  it.each([
    'webhook-id',
    'Webhook-Timestamp',
    'WEBHOOK-SIGNATURE',
    'Webhook-Replayed',
  ])('leave out %s, which the worker writes itself', (name) => {
    expect(headers(`{"${name}":"x","X-A":"1"}`).list).toEqual(['X-A', '1']);
  });

  it.each([
    'User-Agent',
    'Authorization',
    'Cookie',
    'Content-Encoding',
    'Accept',
    'Idempotency-Key',
    '__proto__',
  ])('may contain %s', (name) => {
    expect(headers(`{"${name}":"x"}`).list).toEqual([name, 'x']);
  });

  it.each([
    'Host',
    'content-length',
    'Transfer-Encoding',
    'CONNECTION',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
  ])('are malformed with %s', (name) => {
    expect(parse(`{"${name}":"x"}`)).toEqual({
      kind: 'malformed',
      detail: `header "${name}" belongs to the connection: leave it out`,
    });
  });

  it.each([
    '',
    'X A',
    'X:A',
    'X-\u00e9',
    'X\\nA',
    'X\\u0000',
    '(x)',
    'X-\u212a',
  ])('are malformed with the name "%s"', (name) => {
    expect(parse(`{"${name}":"x"}`)).toMatchObject({
      kind: 'malformed',
      detail: expect.stringContaining('is not a valid header name'),
    });
  });

  it.each([
    ['Authorization: Bearer secret', 'Authorization…'],
    ['X-Key secret', 'X-Key…'],
    ['\u00e9secret', '…'],
  ])('are malformed with the name "%s", and the reason does not show what may be a value', (name, shown) => {
    expect(parse(`{"${name}":"x"}`)).toEqual({
      kind: 'malformed',
      detail: `header "${shown}" is not a valid header name`,
    });
  });

  it.each([
    'a\\r\\nX-B: 1',
    'a\\nb',
    'a\\u0000',
    '\\u007f',
    '\\u0100',
    '漢',
    '\\ud800',
    '\\u001b[0m',
  ])('are malformed with the value "%s"', (value) => {
    expect(parse(`{"X-A":"${value}"}`)).toEqual({
      kind: 'malformed',
      detail: 'header "X-A" has characters that HTTP does not allow',
    });
  });

  it.each([
    'null',
    '{}',
    '[]',
    '["a"]',
  ])('are malformed with the value %s, and the reason names the header', (value) => {
    expect(parse(`{"X-A":${value}}`)).toEqual({
      kind: 'malformed',
      detail: 'header "X-A" is not a string, number or boolean',
    });
  });

  it.each(['[]', '"X-A: 1"', '1', 'true'])('are malformed if they are %s', (json) => {
    expect(parse(json)).toEqual({ kind: 'malformed', detail: 'headers is not an object' });
  });

  it('are empty if they are null', () => {
    expect(parse('null')).toBe(NO_HEADERS);
  });

  it('have a short printable name in the reason', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
        const parsed = parse(JSON.stringify({ [name]: null }));
        expect(parsed.kind === 'malformed' && parsed.detail).toMatch(/^[^\p{Cc}\u2028\u2029]{1,460}$/u);
      }),
    );
  });
});

describe('the headers that are sent', () => {
  const JSON_TYPE = ['content-type', 'application/json'];

  it('have the Content-Type application/json by default', () => {
    expect(completeHeaders(NO_HEADERS, nats(), true)).toEqual(JSON_TYPE);
  });

  it('have no Content-Type if there is no body', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': 'text/plain' }), false)).toEqual([]);
  });

  it('have the Content-Type of the NATS header', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': 'text/plain' }), true)).toEqual([
      'content-type',
      'text/plain',
    ]);
  });

  it('have the Content-Type of the message rather than that of the NATS header', () => {
    const given = headers('{"Content-TYPE":"text/csv"}');
    expect(completeHeaders(given, nats({ 'Content-Type': 'text/plain' }), true)).toEqual([
      'Content-TYPE',
      'text/csv',
    ]);
  });

  it('ignore an empty NATS header', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': '' }), true)).toEqual(JSON_TYPE);
  });

  it('are malformed with a NATS Content-Type that HTTP does not allow', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': 'text/漢' }), true)).toEqual({
      kind: 'malformed',
      detail: 'the NATS header Content-Type has characters that HTTP does not allow',
    });
  });

  it('contain the trace context of the NATS headers', () => {
    expect(completeHeaders(NO_HEADERS, nats({ traceparent: '00-a', tracestate: 'b=1' }), true)).toEqual([
      ...JSON_TYPE,
      'traceparent',
      '00-a',
      'tracestate',
      'b=1',
    ]);
  });

  it('contain the trace context of the message rather than that of the NATS headers, and never a mixture', () => {
    const given = headers('{"Traceparent":"00-mine"}');
    expect(completeHeaders(given, nats({ traceparent: '00-a', tracestate: 'b=1' }), false)).toEqual([
      'Traceparent',
      '00-mine',
    ]);
  });

  it('leave out a trace context that HTTP does not allow', () => {
    expect(completeHeaders(NO_HEADERS, nats({ traceparent: '漢', tracestate: 'b=1' }), false)).toEqual([]);
  });

  it('contain webhook-replayed for a replay only, whatever the headers of the message are', () => {
    const given = headers('{"webhook-replayed":"true","Content-Type":"a/b"}');
    expect(completeHeaders(given, nats(), true)).toEqual(['Content-Type', 'a/b']);
    expect(completeHeaders(given, nats({ 'Webhook-Replayed': 'TRUE' }), true)).toEqual([
      'Content-Type',
      'a/b',
      'webhook-replayed',
      'true',
    ]);
    expect(completeHeaders(given, nats({ 'Webhook-Replayed': 'yes' }), true)).toMatchObject({
      kind: 'malformed',
    });
  });
});
