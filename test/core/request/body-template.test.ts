import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileBody, fillBody } from '../../../src/core/request/body-template.ts';

const FORM = 'application/x-www-form-urlencoded';

/** The body, or the reason why the template or the payload is malformed. */
function filled(template: string, payload: string, contentType = 'application/json', id = 'id-1'): string {
  const compiled = compileBody(template, contentType);
  if (compiled.kind === 'malformed') return compiled.detail;
  const header = (name: string) => (name === 'X-Event-Type' ? 'from.header' : undefined);
  const message = { subject: 'webhooks.orders', header };
  const body = fillBody(compiled, { id, data: Buffer.from(payload), message });
  return 'kind' in body ? body.detail : Buffer.from(body).toString();
}

const PAYLOAD =
  '{"type":"order \\u00fc\\"x\\"", "n":12345678901234567890.0, "ok":true, "no":null,  "in":{"a":["é",\n1]}}';

describe('a body template for JSON', () => {
  it.each([
    ['{"payload": {{data}}}', `{"payload": ${PAYLOAD}}`],
    ['{"a":{"b":{{ data.in }}}}', '{"a":{"b":{"a":["é",\n1]}}}'],
    ['{{data.in.a.0}}', '"é"'],
    [
      '{"n":{{data.n}},"no":{{data.no}},"ok":{{data.ok}}}',
      '{"n":12345678901234567890.0,"no":null,"ok":true}',
    ],
    ['{"t":"{{data.type}}"}', '{"t":"order \\u00fc\\"x\\""}'],
    ['{"t":"n={{data.n}} ok={{data.ok}}"}', '{"t":"n=12345678901234567890.0 ok=true"}'],
    ['{"t":"{{data.in}}"}', '{"t":"{\\"a\\":[\\"é\\",\\n1]}"}'],
    ['{"t":"\\"{{id}}\\\\"}', '{"t":"\\"id-1\\\\"}'],
    [
      '{"id":{{id}},"s":"{{subject}}","e":{{event_type}}}',
      '{"id":"id-1","s":"webhooks.orders","e":"order ü\\"x\\""}',
    ],
    ['{"fixed": [1, 2]}', '{"fixed": [1, 2]}'],
  ])('%s is filled as %s', (template, body) => {
    expect(filled(template, PAYLOAD)).toBe(body);
  });

  it('takes the event type from the header if the payload has none', () => {
    expect(filled('"{{event_type}}"', '[]')).toBe('"from.header"');
  });

  it('escapes the characters of the id', () => {
    expect(filled('["{{id}}", {{id}}]', '{}', undefined, 'a"\\b')).toBe('["a\\"\\\\b", "a\\"\\\\b"]');
  });

  it.each([
    ['{"x":{{data.y}}}', '{}', 'body_template: {{data.y}} is not in the payload'],
    ['{"x":"{{data.in.b}}"}', PAYLOAD, 'body_template: {{data.in.b}} is not in the payload'],
    ['{"x":"{{data.no}}"}', PAYLOAD, 'body_template: {{data.no}} is null in the payload'],
    [
      '{"id":"{{id}}","x":{{data}}}',
      'hello',
      'body_template: {{data}} cannot be filled, since the payload is not JSON',
    ],
    [
      '{"x":"{{data.y}}"}',
      '{"y":1',
      'body_template: {{data.y}} cannot be filled, since the payload is not JSON',
    ],
  ])('%s, filled from %s, is malformed', (template, payload, detail) => {
    expect(filled(template, payload)).toBe(detail);
  });

  it('needs no JSON payload if it has no {{data}}', () => {
    expect(filled('{"id":"{{id}}"}', 'hello')).toBe('{"id":"id-1"}');
  });

  it.each([
    ['{"x":{{payload}}}', /has "\{\{payload\}\}": it may hold \{\{data\}\}, /],
    ['{"x":"{{id.x}}"}', /has "\{\{id\.x\}\}"/],
    ['{"x":{{data..y}}}', /has "\{\{data\.\.y\}\}"/],
    ['{"x":{{}}}', /has "\{\{\}\}"/],
    ['{"x":{{data}', /has \{\{ without its \}\}/],
    ['{"x":"{{data.y"}', /has \{\{ without its \}\}/],
    ['', /is not JSON once it is filled: it breaks at byte 0/],
    ['{"secret":"s3cr3t",{{data}}}', /is not JSON once it is filled: it breaks at byte 19/],
    ['{"x":1{{data.y}}}', /breaks at byte 6/],
    ['{"ü{{data.ü}}":1,}', /breaks at byte 19/],
    ['{"x":"\\{{data.y}}"}', /breaks at byte 7/],
    ['{"x":"\\u00{{data.y}}"}', /breaks at byte 10/],
    ['{ {{data.key}}: 1}', /breaks at byte 2/],
    ['{"x":"{{data.y}}}', /is not JSON/],
  ])('%s is malformed for every payload, and the reason does not quote it', (template, detail) => {
    const compiled = compileBody(template, 'application/json; charset=utf-8');
    expect(compiled).toEqual({ kind: 'malformed', detail: expect.stringMatching(detail) });
    expect(JSON.stringify(compiled)).not.toContain('s3cr3t');
  });

  it('results in valid JSON with the values of the payload', () => {
    const template = '{"raw":{{data.v}},"text":"<{{data.v}}>","id":"{{id}}","all":{{data}}}';
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'grapheme' }), (v, id) => {
        if (v === null) return;
        const body = JSON.parse(filled(template, JSON.stringify({ v }), 'application/vnd.x+json', id));
        const text = typeof v === 'string' ? v : JSON.stringify(v);
        expect(body).toEqual(JSON.parse(JSON.stringify({ raw: v, text: `<${text}>`, id, all: { v } })));
      }),
    );
  });
});

describe('a body template for another content type', () => {
  it.each([
    [
      'text/plain',
      '{{data.type}} {{data.n}} {{data.in}} {{id}}',
      'order ü"x" 12345678901234567890.0 {"a":["é",\n1]} id-1',
    ],
    ['text/plain', '>{{data}}<', `>${PAYLOAD}<`],
    ['application/xml', '<a>{{data.ok}}</a>', '<a>true</a>'],
    ['application/x-ndjson', '{{data.n}}\n{{data.ok}}\n', '12345678901234567890.0\ntrue\n'],
    [
      FORM,
      'text={{data.type}}&id={{id}}&n={{data.n}}',
      'text=order+%C3%BC%22x%22&id=id-1&n=12345678901234567890.0',
    ],
    [`${FORM};charset=utf-8`, 'in={{data.in.a}}', 'in=%5B%22%C3%A9%22%2C%0A1%5D'],
    [FORM, 'payload={{data}}', `payload=${new URLSearchParams({ x: PAYLOAD }).toString().slice(2)}`],
  ])('(%s) %s is filled as %j', (contentType, template, body) => {
    expect(filled(template, PAYLOAD, contentType)).toBe(body);
  });

  it('may have a payload that is not JSON for {{data}}', () => {
    expect(filled('<{{data}}>', 'hello', 'text/plain')).toBe('<hello>');
    expect(filled('p={{data}}', 'a&b', FORM)).toBe('p=a%26b');
  });

  it.each(['text/plain', FORM])('is malformed if the payload has no value for it (%s)', (contentType) => {
    expect(filled('{{data.no}}', PAYLOAD, contentType)).toBe(
      'body_template: {{data.no}} is null in the payload',
    );
    expect(filled('{{data.x}}', PAYLOAD, contentType)).toBe(
      'body_template: {{data.x}} is not in the payload',
    );
    expect(filled('{{data.x}}', 'hello', contentType)).toMatch(/is not JSON$/);
  });
});
