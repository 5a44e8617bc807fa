import type { EndpointRow } from '../../core/endpoint/row.ts';
import type { RowVersion } from '../../core/endpoint/row-versions.ts';
import { METHODS } from '../../core/request/target.ts';
import { parseRetrySchedule } from '../../core/retry/retry-schedule.ts';

/** A row, and what tells whether it changed. */
export type VersionedRow = { readonly row: EndpointRow; readonly version: RowVersion };

type Json = Readonly<Record<string, unknown>>;

/** The range of ATTEMPT_TIMEOUT_MS, in milliseconds. */
const LONGEST_TIMEOUT_MS = 300_000;
const MOST_RETRIES = 1000;
const LONGEST_DELAY_MS = 2_147_483_647;
const LARGEST_MULTIPLIER = 1000;
const MAX_RATE = 1_000_000;

/**
 * Reads a row, whatever its values are: the extension allows NULL in most columns, and `NaN` as a multiplier. A number that makes
 * no sense becomes its column's default, because the message should still be sent. Invalid headers or params are a `problem`,
 * because the endpoint would get a wrong request.
 *
 * @param row By column, with `params` as text, and lists and times as JSON has them; columns may be missing. Numbers may be text.
 */
export function webhookOf(row: Json, secrets: readonly string[]): EndpointRow {
  const written = (textOf(row.method) ?? 'POST').toUpperCase();
  // The one text for all rows: a registry may have 100,000 of them.
  const known = METHODS.find((each) => each === written);
  const headers = stringsOf(row.headers ?? {});
  const params = row.params === 'null' ? null : textOf(row.params);
  const isParams = params?.startsWith('{') ?? true;
  const scheduled = textOf(row.retry_schedule);
  const schedule = scheduled === null ? null : parseRetrySchedule(scheduled);
  const retrySchedule = typeof schedule === 'string' ? null : schedule;
  // Every row has a max_retries, so it cannot say how much of a schedule is meant: all of it.
  const mostRetries = retrySchedule?.length ?? integerOf(row.max_retries, 0, MOST_RETRIES, 3);
  const retries = row.retry_enabled === false ? 0 : mostRetries;
  return {
    id: Number(row.webhook_id),
    name: String(row.webhook_name),
    url: String(row.url),
    method: known ?? written,
    headers: headers ?? NO_HEADERS,
    timeoutMs: integerOf(row.timeout_ms, 1, LONGEST_TIMEOUT_MS, 5000),
    maxAttempts: retries + 1,
    retryDelayMs: integerOf(row.retry_delay_ms, 0, LONGEST_DELAY_MS, 1000),
    retryMultiplier: numberOf(row.retry_backoff_multiplier, 1, LARGEST_MULTIPLIER) ?? 2,
    retrySchedule,
    enabled: row.enabled !== false,
    natsSubject: textOf(row.nats_subject),
    paused: row.paused === true,
    pausedReason: textOf(row.paused_reason),
    maxConcurrency: integerOf(row.max_concurrency, 1, Number.MAX_SAFE_INTEGER, null),
    rateLimit: numberOf(row.rate_limit, Number.MIN_VALUE, MAX_RATE),
    eventTypes: listOf(row.event_types, (value) => typeof value === 'string'),
    successStatuses: listOf(row.success_statuses, Number.isInteger),
    bodyTemplate: textOf(row.body_template),
    params: isParams ? params : null,
    hubSignature: row.hub_signature === true,
    disabledReason: textOf(row.disabled_reason),
    failingSince: timeOf(row.failing_since),
    secrets,
    problem: problemOf([
      known === undefined && `method is not one of ${METHODS.join(', ')}`,
      headers === null && 'headers is not an object of strings, as in {"Authorization": "Bearer ..."}',
      typeof schedule === 'string' && `retry_schedule: ${schedule}`,
      !isParams && 'params is not an object, as in {"source": "crm"}',
    ]),
  };
}

const NO_HEADERS = {};

function problemOf(problems: readonly (string | false)[]): string | null {
  const found = problems.filter((problem) => problem !== false);
  if (found.length === 0) return null;
  return found.join('; ');
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Null if a value is not a string, a boolean or a safe integer: a larger number has more digits than a JavaScript number keeps.
 */
function stringsOf(value: unknown): Record<string, string> | null {
  if (!isObject(value)) return null;
  const entries = Object.entries(value);
  const isText = (one: unknown) =>
    typeof one === 'string' || typeof one === 'boolean' || Number.isSafeInteger(one);
  if (!entries.every(([, one]) => isText(one))) return null;
  if (entries.length === 0) return NO_HEADERS;
  return Object.fromEntries(entries.map(([name, one]) => [name, String(one)]));
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Null below `least`, and if the value is not a number; at most `most`. A `numeric` or `bigint` comes as text, also NaN and Infinity. */
function numberOf(value: unknown, least: number, most: number): number | null {
  const number = numeric(value);
  return typeof number === 'number' && number >= least ? Math.min(number, most) : null;
}

function numeric(value: unknown): unknown {
  return typeof value === 'string' && value !== '' ? Number(value) : value;
}

function integerOf<Fallback>(
  value: unknown,
  least: number,
  most: number,
  fallback: Fallback,
): number | Fallback {
  return Number.isInteger(numeric(value)) ? (numberOf(value, least, most) ?? fallback) : fallback;
}

/** Null if no valid entry is left: an empty list counts as no list. */
function listOf<T>(value: unknown, belongs: (one: unknown) => boolean): T[] | null {
  if (!Array.isArray(value)) return null;
  const list = value.flat(Number.POSITIVE_INFINITY).filter(belongs) as T[];
  return list.length > 0 ? list : null;
}

function timeOf(value: unknown): number | null {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}
