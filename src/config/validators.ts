import { hostname } from 'node:os';
import { makeValidator } from 'envalid';
import { parseSecret } from '../core/endpoint/signature.ts';
import { parseRetrySchedule } from '../core/retry/retry-schedule.ts';
import { parseDuration } from '../runtime/duration.ts';

/** A whole number within a range, both ends included. */
export const wholeNumber = (min: number, max: number) =>
  makeValidator<number>((text) => {
    const value = /^\s*\d+\s*$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new TypeError(`"${text}" is not a whole number from ${min} to ${max}`);
    }
    return value;
  });

/** A number within a range, both ends included, in plain decimals. */
export const numberBetween = (min: number, max: number) =>
  makeValidator<number>((text) => {
    const value = /^\s*(\d+(\.\d*)?|\.\d+)\s*$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new TypeError(`"${text}" is not a number from ${min} to ${max}`);
    }
    return value;
  });

/** A duration in whole milliseconds within a range, both ends included. Also accepts a unit, such as `2s`. */
export const milliseconds = (min: number, max: number) =>
  makeValidator<number>((text) => parseDuration(text, { unit: 'milliseconds', min, max, whole: true }));

/** The same in hours, with fractions. */
export const hours = (min: number, max: number) =>
  makeValidator<number>((text) => parseDuration(text, { unit: 'hours', min, max, whole: false }));

export const wholeHours = (min: number, max: number) =>
  makeValidator<number>((text) => parseDuration(text, { unit: 'hours', min, max, whole: true }));

export const wholeDays = (min: number, max: number) =>
  makeValidator<number>((text) => parseDuration(text, { unit: 'days', min, max, whole: true }));

/** The delays between attempts, in milliseconds. */
export const retrySchedule = makeValidator<readonly number[]>((text) => {
  const schedule = parseRetrySchedule(text);
  if (typeof schedule === 'string') throw new TypeError(schedule);
  return schedule;
});

/** A comma-separated list of at least one item. White space around an item, and empty items, are dropped. */
export const listOf = <T>(parseItem: (text: string) => T) =>
  makeValidator<readonly T[]>((text) => {
    const found = items(text);
    if (found.length === 0)
      throw new TypeError(`"${text}" is an empty list; leave the setting empty for its default`);
    return found.map(parseItem);
  });

export const items = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** A name of a stream or a consumer, by the rules of NATS, so that a mistake is found here and not by the server. */
export const jetStreamName = makeValidator<string>((text) => {
  if (!/^[^\s.*>/\\]+$/.test(text)) {
    throw new TypeError(`"${text}" must not contain white space, ".", "*", ">", "/" or "\\"`);
  }
  return text;
});

/** Any text that fits one line; PostgreSQL cannot store NUL. */
export const oneLine = makeValidator<string>((text) => {
  if (/[\0\r\n]/.test(text)) throw new TypeError('must be one line');
  return text;
});

export function parseSubject(text: string): string {
  const tokens = text.split('.');
  const valid = tokens.every(
    (token, index) =>
      token !== '' &&
      !/\s/.test(token) &&
      (token === '*' || (token === '>' && index === tokens.length - 1) || !/[*>]/.test(token)),
  );
  if (!valid) throw new TypeError(`"${text}" is not a NATS subject, for example webhooks.*`);
  return text;
}

export function parseStatus(text: string): number {
  if (!/^[345]\d\d$/.test(text)) throw new TypeError(`"${text}" is not an HTTP status from 300 to 599`);
  return Number(text);
}

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new TypeError(`"${text}" is not a port from 1 to 65535`);
  return port;
}

/** The URL of a proxy. The message never repeats the text, because it may hold a password. */
export const proxyUrl = makeValidator<string>((text) => {
  const url = /^https?:\/\/./.test(text) && URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new TypeError('must look like http://proxy:3128');
  }
  if (!isPercentEncoded(url.username) || !isPercentEncoded(url.password)) {
    throw new TypeError('must look like http://user:password@proxy:3128, % in a password as %25');
  }
  return text;
});

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** A signing secret. The message never repeats the text, because it is a secret. */
export function signingSecret(text: string): string {
  if (parseSecret(text) === null) throw new TypeError('must look like whsec_<base64>');
  return text;
}

/** `all`, `new`, or a time as ISO 8601, returned in UTC. */
export const startPosition = makeValidator<string>((text) => {
  if (text === 'all' || text === 'new') return text;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new TypeError(`"${text}" is not "all", "new" or a time such as 2026-01-31T12:00:00Z`);
  }
  return new Date(time).toISOString();
});

export function parseNatsServer(text: string): string {
  const bare = /^[a-z]+:\/\//i.test(text) ? text : `nats://${text}`;
  const url = URL.canParse(bare) ? new URL(bare) : null;
  if (url === null || !/^(nats|tls):$/.test(url.protocol) || url.hostname === '') {
    // The message does not repeat the text, because it may hold a password.
    throw new TypeError('must be one or more of nats://host:4222 or tls://host:4222, comma-separated');
  }
  return text;
}

/** A PostgreSQL URL. The message never repeats the text, because it may hold a password. */
export const postgresUrl = makeValidator<string>((text) => {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw new TypeError('must look like postgresql://user:password@host:5432/database?sslmode=require');
  }
  return text;
});

export const defaultConsumerName = (): string => `webhook-worker-${hostname()}`;

/** An http or https URL without user, query and fragment. */
export const publicUrl = makeValidator<string>((text) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain =
    url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (!isPlain || url.search !== '' || url.hash !== '') {
    throw new TypeError('must look like https://hooks.example.com');
  }
  return text.replace(/\/+$/, '');
});

/** A path of a route in place of another one. */
export type RouteAlias = { readonly path: string; readonly target: string };

export function parseAlias(text: string): RouteAlias {
  const [, path, target] = /^(\/[\w./~-]+)\s*=\s*(\/webhooks(?:\/[^/\s,]+)?)$/.exec(text) ?? [];
  if (path === undefined || target === undefined || /^\/(webhooks|health|docs)(\/|$)/.test(path)) {
    throw new TypeError(
      `"${text}" is not like /notifications=/webhooks/notifications (a path of your own, and a path that takes POST)`,
    );
  }
  return { path, target };
}
