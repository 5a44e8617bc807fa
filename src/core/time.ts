/** The end of the year 9999. A larger number is likely to be in milliseconds by mistake, so it is refused. */
export const END_MS = 253_402_300_800_000;

const UNIX_SECONDS = /^\d{1,15}(?:\.\d{1,9})?$/;
const ISO_8601 =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)? ?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)$/i;

export const ACCEPTED_TIMES =
  'give ISO 8601 with a zone, such as 2027-01-31T12:00:00Z or 2027-01-31T12:00:00+02:00, or Unix seconds';

/**
 * Parses a time: ISO 8601 (RFC 3339, and as PostgreSQL writes it), or Unix seconds. A time without a zone is refused, because the
 * zone that it means is unknown.
 *
 * @returns Milliseconds since 1970; null if the text is not a time.
 */
export function parseTime(text: string): number | null {
  if (UNIX_SECONDS.test(text)) return beforeTheEnd(Math.round(Number(text) * 1000));
  const found = ISO_8601.exec(text);
  if (found === null) return null;
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second = '0',
    fraction = '0',
    ,
    sign,
    zoneHour = 0,
    zoneMinute = 0,
  ] = found;
  const parts = [year, month, day, hour, minute, second].map(Number);
  if (!isOnTheCalendar(parts) || Number(zoneHour) > 23 || Number(zoneMinute) > 59) return null;
  const offset = (sign === '-' ? -1 : 1) * (60 * Number(zoneHour) + Number(zoneMinute)) * 60_000;
  return beforeTheEnd(utc(parts) + Math.floor(Number(`0.${fraction}`) * 1000) - offset);
}

export function isoTime(at: number): string {
  return new Date(at).toISOString();
}

function beforeTheEnd(at: number): number | null {
  return at < END_MS ? at : null;
}

/** A leap second, 60, counts as the first second of the next minute. */
function isOnTheCalendar(parts: readonly number[]): boolean {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  if (hour > 23 || minute > 59 || second > 60) return false;
  const date = new Date(utc([year, month, day, 0, 0, 0]));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** `Date.UTC` alone is not enough: it takes the years 0 to 99 for 1900 to 1999. */
function utc(parts: readonly number[]): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  return new Date(0).setUTCFullYear(year, month - 1, day) + ((hour * 60 + minute) * 60 + second) * 1000;
}
