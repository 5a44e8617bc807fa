import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isoTime, parseTime } from '../../src/core/time.ts';

describe('a time', () => {
  it.each([
    ['2027-01-31T12:00:00Z', '2027-01-31T12:00:00.000Z'],
    ['2027-01-31t12:00:00z', '2027-01-31T12:00:00.000Z'],
    ['2027-01-31T12:00Z', '2027-01-31T12:00:00.000Z'],
    ['2027-01-31T12:00:00.5Z', '2027-01-31T12:00:00.500Z'],
    ['2027-01-31T12:00:00,123456789Z', '2027-01-31T12:00:00.123Z'],
    ['2027-01-31T12:00:00+02:00', '2027-01-31T10:00:00.000Z'],
    ['2027-01-31T12:00:00-0530', '2027-01-31T17:30:00.000Z'],
    ['2027-01-31 12:00:00.123456+00', '2027-01-31T12:00:00.123Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['0099-01-01T00:00:00Z', '0099-01-01T00:00:00.000Z'],
    ['1801396800', '2027-01-31T12:00:00.000Z'],
    ['1801396800.25', '2027-01-31T12:00:00.250Z'],
    ['0', '1970-01-01T00:00:00.000Z'],
  ])('of %s is %s', (text, expected) => {
    expect(isoTime(parseTime(text)!)).toBe(expected);
  });

  it.each([
    ['without a zone', '2027-01-31T12:00:00'],
    ['that is only a day', '2027-01-31'],
    ['in milliseconds', '1801396800000'],
    ['on a day that does not exist', '2027-02-29T00:00:00Z'],
    ['in a month that does not exist', '2027-13-01T00:00:00Z'],
    ['at an hour that does not exist', '2027-01-31T24:00:00Z'],
    ['at a minute that does not exist', '2027-01-31T12:60:00Z'],
    ['in a zone that does not exist', '2027-01-31T12:00:00+24:00'],
    ['after the year 9999', '9999-12-31T23:59:59-01:00'],
    ['in the format of mail', 'Sun, 31 Jan 2027 12:00:00 GMT'],
    ['that is a negative number', '-1'],
    ['with an exponent', '1e9'],
    ['with the name of its zone', '2027-01-31T12:00:00 CET'],
    ['with more text after it', '2027-01-31T12:00:00Z; drop'],
  ])('%s is refused', (_what, text) => {
    expect(parseTime(text)).toBe(null);
  });

  it('in the format of Date.toISOString is read exactly, and no text makes the parser throw', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
        expect(parseTime(date.toISOString())).toBe(date.getTime());
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void parseTime(text)));
  });
});
