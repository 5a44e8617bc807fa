import { describe, expect, it } from 'vitest';
import { JsonPaths } from '../../../src/core/json/paths.ts';
import { type Locator, parseLocator, valueAt } from '../../../src/core/source/locator.ts';

function valueIn(
  declaration: string,
  headers: Record<string, string | string[]>,
  body: string,
): string | null {
  const locator = parseLocator(declaration) as Locator;
  expect(locator).toBeTypeOf('object');
  const fields = locator.from === 'body' ? new JsonPaths(locator.paths).valuesIn(Buffer.from(body)) : null;
  return valueAt(locator, headers, fields);
}

describe('the declaration', () => {
  it.each([
    ['body:event_id', '{"event_id":"tx_1"}', 'tx_1'],
    ['body:event_id', '{"event_id":"a\\"\\u00e4"}', 'a"ä'],
    ['body:event_id', '{"event_id":12345678901234567890}', '12345678901234567890'],
    ['body:event_id', '{"event_id":1.0}', '1.0'],
    ['body:event_id', '{"event_id":true}', 'true'],
    ['body:event_id', '{"event_id":""}', null],
    ['body:event_id', '{"event_id":null}', null],
    ['body:event_id', '{"event_id":{}}', null],
    ['body:event_id', '{"event_id":["a"]}', null],
    ['body:event_id', '{}', null],
    ['body:event_id', '[]', null],
    ['body:event_id', 'no JSON', null],
    ['body:event_id', '', null],
    ['body:event_id', '{"event_id":"first","event_id":"last"}', 'last'],
    ['body:data.object.id', '{"data":{"object":{"id":"x"}}}', 'x'],
    ['body:data.0.id', '{"data":[{"id":"x"}]}', 'x'],
    ['body:type+event_id', '{"event_id":"tx_1","type":"+credit"}', '["+credit","tx_1"]'],
    ['body:type+event_id', '{"event_id":"tx_1"}', null],
    ['body:type+event_id', '{"event_id":"tx_1","type":""}', null],
  ])('%s of %s gives %j', (declaration, body, expected) => {
    expect(valueIn(declaration, {}, body)).toBe(expected);
  });

  it.each([
    ['header:X-Request-Id', { 'x-request-id': 'r1' }, 'r1'],
    ['header:X-Request-Id', {}, null],
    ['header:X-Request-Id', { 'x-request-id': '' }, null],
    ['header:X-Request-Id', { 'x-request-id': ['a', 'b'] }, null],
    ['header:X-A+X-B', { 'x-a': '1', 'x-b': '2' }, '["1","2"]'],
    ['header:X-A+X-B', { 'x-a': '1' }, null],
  ])('%s of %j gives %j', (declaration, headers, expected) => {
    expect(valueIn(declaration, headers, '{}')).toBe(expected);
  });

  it('of several parts gives different values for different parts', () => {
    const values = [
      ['a', 'b","c'],
      ['a","b', 'c'],
      ['a+b', 'c'],
      ['a', 'b+c'],
    ].map(([type, event_id]) => valueIn('body:type+event_id', {}, JSON.stringify({ type, event_id })));
    expect(new Set(values).size).toBe(4);
  });

  it.each([
    '',
    'event_id',
    'body:',
    'header:',
    'Body:a',
    'body:a+',
    'body:+a',
    'body:a..b',
    'body:.a',
    'body:a b',
    'header:a b',
    'header:a:b',
    'header:ä',
    'query:a',
    'body:a+b+c+d+e+f',
    `body:${'a'.repeat(300)}`,
    'body:a\nheader:b',
  ])('%j is refused', (text) => {
    expect(parseLocator(text)).toContain('is neither body:<field> nor header:<name>');
  });
});
