import { isAbsolute, resolve } from 'node:path';
import { environment, type Settings, specifications } from '../../config/settings.ts';
import { shellQuote } from '../../runtime/invocation.ts';

/** Set below, or of no use to a worker beside this one: its port, its name, the server that it does not start. */
const NOT_COPIED = new Set([
  'NATS_URL',
  'DATABASE_URL',
  'ALLOWED_PRIVATE_CIDRS',
  'CONSUMER_NAME',
  'HTTP_PORT',
  'NATS_SERVER_BIN',
]);
/** Settings that name a file, perhaps from the folder in which `up` was started. */
const FILES = new Set(['NATS_CREDS', 'NATS_NKEY', 'NATS_TLS_CA', 'NATS_TLS_CERT', 'NATS_TLS_KEY']);
/** Where a URL that was given leaves something out, these say it, as they do for psql. */
const OF_LIBPQ = /^PG(HOST|PORT|USER|PASSWORD|DATABASE|SSL\w+)$/;

/**
 * One line for a shell that starts a worker beside the one of `settings`, from any folder: with the same servers, networks,
 * and other settings, a name of its own, and no port of its own.
 *
 * @param settings Those of the worker that runs: with the URLs of the servers that were started.
 * @param alsoAllowedCidrs What this worker may reach beside ALLOWED_PRIVATE_CIDRS.
 * @param program How the program is called, as `node /clone/dist/main.js`.
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

/** `webhook-worker-1` is followed by `webhook-worker-2`. */
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

/** What was set to another value than the default: a line of `.env` with the default in it changes nothing. */
function changed(settings: Settings): Record<string, string> {
  const entries = Object.entries(settings.written).filter(
    ([name]) => !NOT_COPIED.has(name) && !isDefault(settings, name as keyof typeof specifications),
  );
  return Object.fromEntries(entries.map(([name, text]) => [name, FILES.has(name) ? absolute(text) : text]));
}

function isDefault(settings: Settings, name: keyof typeof specifications): boolean {
  return JSON.stringify(settings[name]) === JSON.stringify(specifications[name].default);
}

/** An NKey seed is no path: a text with a dot or a slash in it is one. */
function absolute(text: string): string {
  return /[./]/.test(text) && !isAbsolute(text) ? resolve(text) : text;
}
