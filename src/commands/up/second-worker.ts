import { isAbsolute, resolve } from 'node:path';
import { access } from '../../config/access.ts';
import { api } from '../../config/api.ts';
import { environment, type Settings, specifications } from '../../config/settings.ts';
import { shellQuote } from '../../runtime/invocation.ts';

/**
 * Settings that are set below, or that a second worker must not copy: the port, the name, the server that it does not start, and
 * those of the API, which hold keys.
 */
const NOT_COPIED = new Set([
  'NATS_URL',
  'DATABASE_URL',
  'ALLOWED_PRIVATE_CIDRS',
  'CONSUMER_NAME',
  'HTTP_PORT',
  'NATS_SERVER_BIN',
  ...Object.keys(access),
  ...Object.keys(api),
]);
/** Settings that name a file. The path may be relative to the folder in which `up` was started. */
const FILES = new Set(['NATS_CREDS', 'NATS_NKEY', 'NATS_TLS_CA', 'NATS_TLS_CERT', 'NATS_TLS_KEY']);
/** Environment variables that complete a DATABASE_URL, as for psql. */
const OF_LIBPQ = /^PG(HOST|PORT|USER|PASSWORD|DATABASE|SSL\w+)$/;

/**
 * Returns one shell line that starts a second worker, from any folder. It has the same servers, networks and other settings as
 * the worker of `settings`, but another name and no port.
 *
 * @param settings The settings of the running worker, with the URLs of the started servers.
 * @param alsoAllowedCidrs Networks that the running worker may reach in addition to ALLOWED_PRIVATE_CIDRS.
 * @param program How the program is called, such as `node /clone/dist/main.js`.
 */
export function secondWorkerLine(
  settings: Settings,
  alsoAllowedCidrs: readonly string[],
  program: string,
): string {
  const variables = {
    NATS_URL: settings.NATS_URL.join(','),
    DATABASE_URL: settings.DATABASE_URL,
    ALLOWED_PRIVATE_CIDRS: [...settings.ALLOWED_PRIVATE_CIDRS, ...alsoAllowedCidrs].join(','),
    CONSUMER_NAME: nextName(settings.CONSUMER_NAME),
    // The page and /health are on the port of the first worker.
    HTTP_PORT: '0',
    ...ofLibpq(settings),
    ...changed(settings),
  };
  const words = Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(value)}`);
  return [...words, program, 'worker'].join(' ');
}

/** `webhook-worker-1` gives `webhook-worker-2`. */
function nextName(name: string): string {
  const [, start = `${name}-`, number = '1'] = /^(.*?)(\d{1,6})$/.exec(name) ?? [];
  return `${start}${Number(number) + 1}`;
}

function ofLibpq(settings: Settings): Record<string, string> {
  if (!settings.isSet('DATABASE_URL')) return {};
  const entries = Object.entries(environment());
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (OF_LIBPQ.test(name) && value ? [[name, value]] : [])),
  );
}

/** The settings that differ from their default. A line of `.env` that sets the default is left out. */
function changed(settings: Settings): Record<string, string> {
  const entries = Object.entries(settings.written).filter(
    ([name]) => !NOT_COPIED.has(name) && !isDefault(settings, name as keyof typeof specifications),
  );
  return Object.fromEntries(entries.map(([name, text]) => [name, FILES.has(name) ? absolute(text) : text]));
}

function isDefault(settings: Settings, name: keyof typeof specifications): boolean {
  // A schedule changes the default of MAX_ATTEMPTS.
  if (name === 'MAX_ATTEMPTS' && settings.isSet('RETRY_SCHEDULE')) return false;
  return JSON.stringify(settings[name]) === JSON.stringify(specifications[name].default);
}

/** NATS_NKEY may be a seed or a path. Only a text with a dot or a slash is a path. */
function absolute(text: string): string {
  return /[./]/.test(text) && !isAbsolute(text) ? resolve(text) : text;
}
