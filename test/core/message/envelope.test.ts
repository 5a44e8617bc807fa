import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMessageParser, type ParsedMessage } from '../../../src/core/message/envelope.ts';

const URL_FIELD = '"webhook_url":"https://example.com/hook"';

function parse(text: string | Uint8Array, natsHeaders: Record<string, string> = {}): ParsedMessage {
  const data = typeof text === 'string' ? Buffer.from(text) : text;
  return createMessageParser()({ data, header: (name) => natsHeaders[name] });
}

function envelope(
  text: string,
  natsHeaders?: Record<string, string>,
): Extract<ParsedMessage, { kind: 'envelope' }> {
  const parsed = parse(text, natsHeaders);
  if (parsed.kind !== 'envelope') throw new Error(JSON.stringify(parsed));
  return parsed;
}

const bodyOf = (text: string) => {
  const { body } = envelope(text);
  return body === null ? null : Buffer.from(body).toString('utf8');
};

describe('an envelope', () => {
  it('is a JSON object with a webhook_url', () => {
    expect(envelope(`{${URL_FIELD},"data":{"a":1}}`)).toMatchObject({
      target: { href: 'https://example.com/hook' },
      method: 'POST',
      headers: ['content-type', 'application/json'],
    });
  });

  it.each([
    '{"n":12345678901234567890, "a":1.0}',
    ' [ 1 ,\n2 ] '.trim(),
    '"text \\u00e9 é"',
    'null',
    '0',
    '{"b":1,"a":2,"b":3}',
  ])('has its data as the body of the request, byte for byte: %s', (data) => {
    expect(bodyOf(`{ "data" : ${data} , ${URL_FIELD} }`)).toBe(data);
  });

  it('has the whole message as the body of the request if it has no data', () => {
    const text = `{${URL_FIELD}, "event": "user.created"}`;
    expect(bodyOf(text)).toBe(text);
  });

  it('has no body for a GET, and no Content-Type', () => {
    expect(envelope(`{${URL_FIELD},"method":"GET","data":{"a":1}}`)).toMatchObject({
      body: null,
      headers: [],
    });
  });

  it.each(['PUT', 'PATCH', 'DELETE'])('may have a body for %s', (method) => {
    expect(bodyOf(`{${URL_FIELD},"method":"${method}","data":[1]}`)).toBe('[1]');
  });

  it.each([
    ['"POST"', 'POST'],
    ['"get"', 'GET'],
    ['"Patch"', 'PATCH'],
    ['"\\u0044elete"', 'DELETE'],
    ['null', 'POST'],
  ])('with the method %s is sent as %s', (written, method) => {
    expect(envelope(`{${URL_FIELD},"method":${written}}`).method).toBe(method);
  });

  it.each([
    '"HEAD"',
    '"CONNECT"',
    '"OPTIONS"',
    '""',
    '"POST "',
    '"PO\\u0000ST"',
    '1',
    'true',
    '["POST"]',
    '{}',
  ])('is malformed with the method %s', (method) => {
    expect(parse(`{${URL_FIELD},"method":${method}}`)).toEqual({
      kind: 'malformed',
      detail: 'method is not one of GET, POST, PUT, PATCH, DELETE',
    });
  });

  it.each([
    'null',
    '1',
    'true',
    '["https://example.com"]',
    '{"href":"https://example.com"}',
  ])('is malformed when its webhook_url is %s', (url) => {
    expect(parse(`{"webhook_url":${url}}`)).toEqual({
      kind: 'malformed',
      detail: 'webhook_url is not a string',
    });
  });

  it('is malformed with an invalid URL, and the reason does not quote it', () => {
    const parsed = parse('{"webhook_url":"http://exa mple.com/?token=secret"}');
    expect(parsed).toEqual({ kind: 'malformed', detail: 'webhook_url is not a valid URL' });
  });

  it('is forbidden with a user name or password in its URL', () => {
    expect(parse('{"webhook_url":"https://user:pass@example.com/"}').kind).toBe('forbidden');
  });

  it('is malformed with a header that belongs to the connection', () => {
    expect(parse(`{${URL_FIELD},"headers":{"Host":"other"}}`)).toEqual({
      kind: 'malformed',
      detail: `header "Host" belongs to the connection: leave it out`,
    });
  });

  it('appends its params to the query', () => {
    const parsed = envelope(
      '{"webhook_url":"https://example.com/hook?a=1#part","params":{"b":"x y","n":12345678901234567890}}',
    );
    expect(parsed.target).toMatchObject({
      path: '/hook?a=1&b=x%20y&n=12345678901234567890',
      href: 'https://example.com/hook?a=1&b=x%20y&n=12345678901234567890',
    });
  });

  it.each([
    'GET',
    'POST',
    'DELETE',
  ])('gets the values of the placeholders in its URL from data (%s)', (method) => {
    const url = '"webhook_url":"https://example.com/{user.id}?v={value}"';
    const data = '{"value":"+1","user":{"id":12345678901234567890}}';
    const given = `{${url},"method":"${method}","params":{"p":"{value}"},"data":${data},"value":"not this one"}`;
    expect(envelope(given)).toMatchObject({
      target: { path: '/12345678901234567890?v=%2B1&p=%7Bvalue%7D' },
      body: method === 'GET' ? null : Buffer.from(data),
    });
  });

  it.each([
    ['"webhook_url":"https://example.com/{id}","data":{"ID":1}', 'webhook_url: {id} is not in data'],
    ['"webhook_url":"https://example.com/{id}","id":1', 'webhook_url: {id} is not in data'],
    [
      '"webhook_url":"https://{id}/","data":{"id":"evil.example"}',
      /^webhook_url has the placeholder \{id\} before/,
    ],
  ])('is malformed with %s', (fields, detail) => {
    expect(parse(`{${fields}}`)).toEqual({
      kind: 'malformed',
      detail: typeof detail === 'string' ? detail : expect.stringMatching(detail),
    });
  });

  it('is malformed with params that are not scalars', () => {
    expect(parse(`{${URL_FIELD},"params":{"a":{"b":1}}}`).kind).toBe('malformed');
  });

  it('may have headers and params of null, which count as none', () => {
    expect(envelope(`{${URL_FIELD},"headers":null,"params":null,"method":"GET"}`)).toMatchObject({
      headers: [],
      target: { path: '/hook' },
    });
  });

  it('may have keys that are written with escapes', () => {
    expect(envelope('{"webhook\\u005furl":"https:\\/\\/example.com\\/a"}').target.href).toBe(
      'https://example.com/a',
    );
  });

  it('is malformed if its JSON breaks after the webhook_url, and the reason names the byte', () => {
    expect(parse(`{${URL_FIELD},}`)).toEqual({
      kind: 'malformed',
      detail: 'the envelope is not valid JSON: it breaks at byte 42',
    });
  });

  it('is malformed if it was cut off, and the reason names the byte', () => {
    expect(parse(`{${URL_FIELD},"data":{"a":`)).toEqual({
      kind: 'malformed',
      detail: 'the envelope is not valid JSON: it ends too soon at byte 54',
    });
  });
});

describe('a bare payload', () => {
  it.each([
    '{"url":"http://x","data":1}',
    '[1]',
    '"text"',
    'plain text',
    '',
    '{"broken":',
    '{"a":{"webhook_url":"http://x"}}',
  ])('is the whole message: %j', (text) => {
    const data = Buffer.from(text);
    expect(parse(data)).toMatchObject({ kind: 'bare', body: data });
  });

  it.each([
    ['{"a":1}', null],
    ['"text"', null],
    ['plain text', { offset: 0, isObject: false }],
    ['', { offset: 0, isObject: false }],
    ['[1,]', { offset: 3, isObject: false }],
    ['{"total":NaN}', { offset: 9, isObject: true }],
    [' \t{"total":NaN}', { offset: 11, isObject: true }],
  ])('says whether it is JSON, and whether it was meant as an object: %j', (text, broken) => {
    const parsed = parse(text);
    if (broken === null) expect(parsed).toMatchObject({ broken });
    else expect(parsed).toMatchObject({ broken: { kind: 'broken', urlSeen: false, ...broken } });
  });
});

describe('an envelope that is too long', () => {
  const long = 'x'.repeat(1_000_000);

  it.each([
    [`{"webhook_url":"https://a.example/${long}"}`, 'webhook_url is longer than 65536 characters'],
    [`{${URL_FIELD},"headers":{"A":"${long}"}}`, 'headers is longer than 65536 bytes'],
    [`{${URL_FIELD},"params":{"a":"${long}"}}`, 'params is longer than 65536 bytes'],
  ])('is malformed, and the reason has the limit (%#)', (text, detail) => {
    expect(parse(text)).toEqual({ kind: 'malformed', detail });
  });

  it('may have data of any length', () => {
    expect(bodyOf(`{${URL_FIELD},"data":"${long}"}`)).toHaveLength(long.length + 2);
  });
});

describe('a byte order mark before the JSON', () => {
  const bom = (text: string) => Buffer.from(`\u{feff}${text}`);

  it('is skipped to read an envelope', () => {
    expect(parse(bom(`{${URL_FIELD},"data":{"a":1}}`))).toMatchObject({
      kind: 'envelope',
      body: Buffer.from('{"a":1}'),
    });
  });

  it('stays in the body of a message that is sent whole', () => {
    for (const text of [`{${URL_FIELD}}`, '{"a":1}', 'text'])
      expect(parse(bom(text))).toMatchObject({ body: bom(text) });
  });

  it('counts for the byte at which the JSON breaks', () => {
    expect(parse(bom(`{${URL_FIELD},}`))).toMatchObject({
      detail: expect.stringMatching(/ breaks at byte 45$/),
    });
  });
});

describe('one parser for many messages', () => {
  it('parses a URL once', () => {
    const parser = createMessageParser();
    const targets = [1, 2].map((n) => {
      const parsed = parser({ data: Buffer.from(`{${URL_FIELD},"data":${n}}`), header: () => undefined });
      return parsed.kind === 'envelope' && parsed.target;
    });
    expect(targets[0]).toBe(targets[1]);
  });

  it('fills the same URL template for each message, and keeps one endpoint key', () => {
    const parse = createMessageParser('url');
    const targets = [1, 2].map((id) => {
      const text = `{"webhook_url":"https://example.com/{id}","data":{"id":${id}}}`;
      const parsed = parse({ data: Buffer.from(text), header: () => undefined });
      return parsed.kind === 'envelope' ? parsed.target : null;
    });
    expect(targets.map((target) => target?.path)).toEqual(['/1', '/2']);
    expect(targets[0]?.endpointKey).toBe(targets[1]?.endpointKey);
  });

  it('does not use the params of one message for the next', () => {
    const parser = createMessageParser();
    const paths = [`,"params":{"a":1}`, ''].map((rest) => {
      const parsed = parser({ data: Buffer.from(`{${URL_FIELD}${rest}}`), header: () => undefined });
      return parsed.kind === 'envelope' && parsed.target.path;
    });
    expect(paths).toEqual(['/hook?a=1', '/hook']);
  });

  it('does not use the NATS headers of one message for the next', () => {
    const parser = createMessageParser();
    const data = Buffer.from(`{${URL_FIELD},"headers":{"X-A":"1"}}`);
    parser({ data, header: (name) => (name === 'traceparent' ? '00-a' : 'text/plain') });
    expect(parser({ data, header: () => undefined })).toMatchObject({
      headers: ['X-A', '1', 'content-type', 'application/json'],
    });
  });
});

describe('the message parser never throws', () => {
  const parser = createMessageParser();
  const kinds = ['envelope', 'bare', 'malformed', 'forbidden'];

  it('on URLs with placeholders at any position and with any values', () => {
    const piece = fc.constantFrom(
      'https:',
      '/',
      '{a}',
      '{a.b.0}',
      '?',
      '#',
      '..',
      '%',
      '2e',
      'x',
      '{',
      '}',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece), fc.jsonValue(), fc.jsonValue(), (url, a, b) => {
        const given = { webhook_url: `https://a.example/${url.join('')}`, data: { a, ...(b as object) } };
        const parsed = parser({ data: Buffer.from(JSON.stringify(given)), header: () => undefined });
        expect(['envelope', 'malformed']).toContain(parsed.kind);
        if (parsed.kind === 'envelope') expect(parsed.target.origin).toBe('https://a.example');
      }),
    );
  });

  it('on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        expect(kinds).toContain(parser({ data, header: () => undefined }).kind);
      }),
    );
  });

  it('on envelopes with any fields and any NATS headers', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.string({ unit: 'binary' }), fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue())),
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.string({ unit: 'binary' }),
    );
    const field = (share: number) => fc.option(anything, { nil: undefined, freq: share });
    fc.assert(
      fc.property(
        fc.record({
          webhook_url: fc.oneof(fc.webUrl(), anything),
          data: field(2),
          headers: field(4),
          method: field(1),
          params: field(4),
        }),
        fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
        (message, natsHeader) => {
          const data = Buffer.from(JSON.stringify(message));
          expect(kinds).toContain(parser({ data, header: () => natsHeader }).kind);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
