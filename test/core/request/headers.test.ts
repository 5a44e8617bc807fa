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
  ])('take the value %s as %j', (json, text) => {
    expect(headers(`{"X-A":${json}}`).list).toEqual(['X-A', text]);
  });

  it('take the last value of a name given twice, whatever its case', () => {
    expect(headers('{"X-A":"1","X-B":"2","x-a":"3"}').list).toEqual(['x-a', '3', 'X-B', '2']);
  });

  it.each([
    'webhook-id',
    'Webhook-Timestamp',
    'WEBHOOK-SIGNATURE',
    'Webhook-Replayed',
  ])('leave out %s: ours is sent', (name) => {
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
  ])('may hold %s', (name) => {
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

  it.each(['null', '{}', '[]', '["a"]'])('are malformed with the value %s, naming the header', (value) => {
    expect(parse(`{"X-A":${value}}`)).toEqual({
      kind: 'malformed',
      detail: 'header "X-A" is not a string, number or boolean',
    });
  });

  it.each(['[]', '"X-A: 1"', '1', 'true'])('are malformed as %s', (json) => {
    expect(parse(json)).toEqual({ kind: 'malformed', detail: 'headers is not an object' });
  });

  it('are none as null', () => {
    expect(parse('null')).toBe(NO_HEADERS);
  });

  it('are named in one short printable line', () => {
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

  it('name JSON as the type of a body by default', () => {
    expect(completeHeaders(NO_HEADERS, nats(), true)).toEqual(JSON_TYPE);
  });

  it('name no type where there is no body', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': 'text/plain' }), false)).toEqual([]);
  });

  it('take the type from the NATS header', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': 'text/plain' }), true)).toEqual([
      'content-type',
      'text/plain',
    ]);
  });

  it('take the type from the message before the NATS header', () => {
    const asked = headers('{"Content-TYPE":"text/csv"}');
    expect(completeHeaders(asked, nats({ 'Content-Type': 'text/plain' }), true)).toEqual([
      'Content-TYPE',
      'text/csv',
    ]);
  });

  it('take an empty NATS header for none', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': '' }), true)).toEqual(JSON_TYPE);
  });

  it('are malformed with a NATS Content-Type that HTTP does not allow', () => {
    expect(completeHeaders(NO_HEADERS, nats({ 'Content-Type': 'text/漢' }), true)).toEqual({
      kind: 'malformed',
      detail: 'the NATS header Content-Type has characters that HTTP does not allow',
    });
  });

  it('pass the trace context on', () => {
    expect(completeHeaders(NO_HEADERS, nats({ traceparent: '00-a', tracestate: 'b=1' }), true)).toEqual([
      ...JSON_TYPE,
      'traceparent',
      '00-a',
      'tracestate',
      'b=1',
    ]);
  });

  it('keep the trace context of the message, and never mix the two', () => {
    const asked = headers('{"Traceparent":"00-mine"}');
    expect(completeHeaders(asked, nats({ traceparent: '00-a', tracestate: 'b=1' }), false)).toEqual([
      'Traceparent',
      '00-mine',
    ]);
  });

  it('drop a trace context that HTTP does not allow', () => {
    expect(completeHeaders(NO_HEADERS, nats({ traceparent: '漢', tracestate: 'b=1' }), false)).toEqual([]);
  });

  it('say of a replay that it is one, and of nothing else, whatever the message asks for', () => {
    const asked = headers('{"webhook-replayed":"true","Content-Type":"a/b"}');
    expect(completeHeaders(asked, nats(), true)).toEqual(['Content-Type', 'a/b']);
    expect(completeHeaders(asked, nats({ 'Webhook-Replayed': 'TRUE' }), true)).toEqual([
      'Content-Type',
      'a/b',
      'webhook-replayed',
      'true',
    ]);
    expect(completeHeaders(asked, nats({ 'Webhook-Replayed': 'yes' }), true)).toMatchObject({
      kind: 'malformed',
    });
  });
});
