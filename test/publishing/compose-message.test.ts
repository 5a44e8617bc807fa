import { describe, expect, test } from 'vitest';
import { composeMessage, type MessageParts } from '../../src/publishing/compose-message.ts';

function composed(parts: MessageParts): string {
  const result = composeMessage(parts);
  return result.kind === 'message' ? result.bytes.toString() : `problem: ${result.problem}`;
}
const url = 'https://example.com/hook';

test('an envelope contains its data byte for byte', () => {
  expect(composed({ url, data: Buffer.from('{"n":12345678901234567890, "a":1.0}') })).toBe(
    '{"webhook_url":"https://example.com/hook","data":{"n":12345678901234567890, "a":1.0}}',
  );
});

test('an envelope contains the method and the headers', () => {
  expect(composed({ url, method: 'PUT', headers: ['X-A: 1', 'X-B:2'] })).toBe(
    '{"webhook_url":"https://example.com/hook","method":"PUT","headers":{"X-A":"1","X-B":"2"}}',
  );
});

test('without a URL, data is the whole message, even if it is not JSON', () => {
  expect(composed({ data: Buffer.from('not JSON\n') })).toBe('not JSON\n');
});

describe('composing a message fails with the problem', () => {
  test.each<[string, MessageParts]>([
    ['give --data', {}],
    [
      '--data is not valid JSON: it breaks at column 6 (byte 5), near "x}"',
      { url, data: Buffer.from('{"a":x}') },
    ],
    ['--data is not valid JSON: it breaks at line 2, column 1', { url, data: Buffer.from('[1,\n]') }],
    ['--data is not valid JSON: it ends too soon', { url, data: Buffer.from('{"a":1') }],
    ['--header: "X-A" is not of the form "Name: value"', { url, headers: ['X-A'] }],
    [`header "Host" belongs to the connection: leave it out`, { url, headers: ['Host: other'] }],
    ['--header: a worker writes Webhook-Id itself; --id sets it', { url, headers: ['Webhook-Id: 1'] }],
    [
      '--header: a worker writes webhook-signature itself; leave it out',
      { url, headers: ['webhook-signature: x'] },
    ],
    ['header "X…" is not a valid header name', { url, headers: ['X A: 1'] }],
    ['--header and --method need an envelope', { data: Buffer.from('1'), headers: ['X-A: 1'] }],
    ['webhook_url is not an http or https URL', { url: 'ftp://example.com' }],
    ['method is not one of GET', { url, method: 'FETCH' }],
  ])('%s', (expected, parts) => {
    expect(composed(parts)).toContain(expected);
  });
});
