import { describe, expect, it } from 'vitest';
import { namesUrl, opensObject } from '../../../src/core/json/broken.ts';
import { topLevelFields } from '../../../src/core/json/fields.ts';

const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const utf16BigEndian = (text: string) => utf16(text).swap16();
const utf32 = (text: string) =>
  Buffer.concat([...text].map((each) => Buffer.from([each.charCodeAt(0), 0, 0, 0])));
/** Encoded as UTF-8, read in another encoding. */
const twice = (text: string, encoding: 'latin1') => Buffer.from(text).toString(encoding);
const bytesOf = (given: string | Buffer) => (typeof given === 'string' ? Buffer.from(given) : given);

describe('bytes that are not JSON', () => {
  it.each<[string, string | Buffer]>([
    [
      'an unknown word before the key',
      '{"headers":{"A":"b"},"data":{"t":NaN},"webhook_url":"https://a.example"}',
    ],
    ['an unknown word after the key', '{"webhook_url":"https://a.example","data":{"t":NaN}}'],
    ['a trailing comma', '{"a":1,"webhook_url":"x",}'],
    ['a comma twice', '{"a":1,,"webhook_url":"x"}'],
    ['a missing comma', '{"a":1 "webhook_url":"x"}'],
    ['single quotes', "{'headers':{'A':'b'},'webhook_url':'x'}"],
    ['back quotes', '{`webhook_url`:`x`}'],
    ['typographic quotes', '{“webhook_url”:“x”}'],
    ['no quotes', '{a:1,webhook_url:"x"}'],
    ['an equals sign', '{"a"=1;webhook_url="x"}'],
    ['a comment', '{/* a */"webhook_url":"x"}'],
    ['the key twice', '{"webhook_url":"x","webhook_url":"y",}'],
    ['a string that does not end', '{"a":"b,"webhook_url":"x"}'],
    ['a line break in a string', '{"a":"b\nc","webhook_url":"x"}'],
    ['a missing end', '{"headers":{"A":"b"},"webhook_url":"htt'],
    ['an end after the name', '{"headers":{"A":"b"},"webhook_url'],
    ['something behind it', '{"webhook_url":"x"}}'],
    ['two objects', '{"a":1}\n{"webhook_url":"x"}'],
    ['the key in a nested object', '{"a":{"webhook_url":1},,}'],
    ['the name in a string', '{"note":"set webhook_url","t":NaN}'],
    ['JSON in a string, broken', '{"a":"{\\"webhook_url\\":1}",}'],
    ['a missing end of a string before a nested quote', '{\\"headers\\":{},\\"webhook_url\\":\\"x\\"}'],
    ['the key with an escape', '{"a":NaN,"webhook\\u005furl":"x"}'],
    ['the key with an escape in capitals', '{"a":NaN,"webhook\\u005Furl":"x"}'],
    [
      'the key, all escaped',
      `{"a":NaN,"${[...'webhook_url'].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('')}":1}`,
    ],
    ['an escape of JavaScript', "{'webhook\\x5furl':'x'}"],
    ['an escape with braces', "{'webhook\\u{00005f}url':'x'}"],
    ['an escape of Python', "{'webhook\\U0000005furl':'x'}"],
    ['an octal escape', "{'webhook\\137url':'x'}"],
    ['an escape that means itself', "{'webhook\\_url':'x'}"],
    ['an escape twice', '{"a":"{\\"webhook\\\\u005furl\\":1}",}'],
    ['an escaped quote before the name', '{\\u0022webhook_url\\u0022:1}'],
    ['an escaped line break before the name', '{\\nwebhook_url:1}'],
    ['white space before', ' \r\n\t{"webhook_url":"x",}'],
    ['white space of other kinds before', '\u00a0\u2003\u3000\u2028{"webhook_url":"x"}'],
    ['control characters before', '\u0000\u0001\u001f\u007f{"webhook_url":"x"}'],
    ['two byte order marks before', '\ufeff\ufeff{"webhook_url":"x"}'],
    ['characters without a width before', '\u200b\u200c\u200d\u200e\u2060\u2063\u00ad{"webhook_url":"x"}'],
    ['marks of direction before', '\u202a\u2066\u061c{"webhook_url":"x"}'],
    ['a variation selector and a filler before', '\ufe0f\u3164\u{e0100}{"webhook_url":"x"}'],
    ['a byte order mark that was encoded twice', twice('\ufeff', 'latin1')],
    ['a byte order mark that was encoded three times', twice(twice('\ufeff', 'latin1'), 'latin1')],
    ['a byte order mark, and one that was encoded twice', `\ufeff \u00a0${twice('\ufeff', 'latin1')}`],
    ['a no-break space that was encoded twice', twice('\u00a0', 'latin1')],
    ['a space without a width that was encoded twice', twice('\u200b', 'latin1')],
    ['the same in windows-1252', '\u00e2\u20ac\u2039'],
    ['a mark of UTF-16 in Latin-1', '\u00ff\u00fe'],
    ['a mark in code page 437', '\u2229\u2557\u2510'],
    ['bytes that are not UTF-8 before', Buffer.from('\xff\xfe{"webhook_url":"x"}', 'latin1')],
    ['bytes that are not UTF-8 inside', Buffer.from('{"a":\xff,"webhook_url":"x"}', 'latin1')],
    ['NULs inside', '{"webh\u0000ook_url":"x"}\u0000'],
    ['a NUL behind it', '{"webhook_url":"x"}\u0000'],
    ['UTF-16, little endian', utf16('\ufeff{"webhook_url":"x"}')],
    ['UTF-16, little endian, without a mark', utf16('{"webhook_url":"x"}')],
    ['UTF-16, big endian', utf16BigEndian('\ufeff{"webhook_url":"x"}')],
    ['UTF-16, big endian, without a mark', utf16BigEndian('{"webhook_url":"x"}')],
    ['UTF-32', utf32('\ufeff{"webhook_url":"x"}')],
    ['the key far away', `{"a":${'['.repeat(100_000)},"webhook_url":1}`],
  ])('were meant as an envelope: %s', (_what, given) => {
    const bytes = bytesOf(given);
    const message = bytes.includes('{') ? bytes : Buffer.concat([bytes, Buffer.from('{"webhook_url":"x"}')]);
    expect(topLevelFields(message)).toMatchObject({ kind: 'broken', urlSeen: true });
  });

  it.each<[string, string | Buffer]>([
    ['no such key', '{"event":"order.created","total":NaN}'],
    ['a longer name', '{"my_webhook_url":1,"webhook_urls":2,"webhook_url2":NaN}'],
    ['another case', '{"Webhook_Url":"x",}'],
    ['the name cut off', '{"headers":{"A":"b"},"webhook_ur'],
    ['an array', '[{"webhook_url":1},,]'],
    ['text before the brace', 'hello {"webhook_url":1}'],
    ['text that is not ASCII before the brace', 'é{"webhook_url":1}'],
    ['text that was encoded twice before the brace', `${twice('é', 'latin1')}{"webhook_url":1}`],
    ['a currency before the brace', '€{"webhook_url":1}'],
    ['Chinese text before the brace', '工{"webhook_url":1}'],
    ['a comment before the brace', '/**/{"webhook_url":1}'],
    ['a missing brace', '"webhook_url":"x"}'],
    ['no JSON at all', 'webhook_url=x'],
    ['nothing', ''],
    ['only white space', ' \n'],
    ['only NULs', '\u0000\u0000'],
  ])('are a bare payload: %s', (_what, given) => {
    expect(topLevelFields(bytesOf(given))).toMatchObject({ kind: 'broken', urlSeen: false });
  });

  it('are searched in linear time', () => {
    const size = 1_000_000;
    for (const piece of [
      '\\',
      '\\u',
      '\\u{0',
      '{',
      '\u0000',
      'webhook_',
      ' ',
      '\ufeff',
      '\u00ef\u00bb\u00bf',
      '\u00c3',
    ]) {
      const bytes = Buffer.from(`{${piece.repeat(size / piece.length)}`);
      expect([opensObject(bytes), namesUrl(bytes)]).toEqual([true, false]);
      expect(opensObject(bytes.subarray(1))).toBe(piece === '{');
    }
  });
});

describe('an object that is JSON', () => {
  it.each([
    '{"data":{"webhook_url":"https://a.example"}}',
    '{"note":"the webhook_url"}',
    '{"my_webhook_url":1}',
    '{"a":"{\\"webhook_url\\":1}"}',
  ])('is a bare payload if the key is not at its top: %s', (text) => {
    expect(topLevelFields(bytesOf(text))).toMatchObject({ kind: 'object' });
    expect(topLevelFields(bytesOf(text))).not.toHaveProperty('fields.webhook_url');
  });
});
