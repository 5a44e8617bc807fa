import { withoutByteOrderMark } from '../json/broken.ts';
import { isNull, membersOf, scalarText } from '../json/fields.ts';

/** What is wrong at one place of the body. `pointer`: a JSON pointer (RFC 6901). */
export type FieldProblem = { readonly pointer: string; readonly detail: string };

/** Where a webhook goes. */
export type Destination =
  /** The rows that take webhooks of this name. */
  | { readonly kind: 'name'; readonly name: string; readonly pointer: string }
  /** This row of `rule_webhooks`, and no other. */
  | { readonly kind: 'row'; readonly id: number; readonly pointer: string }
  | { readonly kind: 'url'; readonly url: string };

/** A webhook as the body of a request describes it. Null: not given. */
export type WebhookFields = {
  readonly destination: Destination;
  readonly eventType: string | null;
  readonly eventId: string | null;
  /** The JSON as it is written. */
  readonly data: Uint8Array | null;
  readonly headers: Uint8Array | null;
  readonly urlParams: Uint8Array | null;
  readonly orderingKey: string | null;
  readonly deliverAt: string | null;
  readonly expiresAt: string | null;
  readonly maxAttempts: number | null;
  readonly idempotencyKey: string | null;
};

const TEXTS = ['event_type', 'event_id', 'ordering_key', 'idempotency_key', 'webhook_url'] as const;
const TIMES = ['deliver_at', 'expires_at'] as const;
const DESTINATIONS = ['endpoint', 'config_id', 'webhook_url'] as const;
export const FIELDS: readonly string[] = [
  ...new Set([...TEXTS, ...TIMES, ...DESTINATIONS, 'data', 'headers', 'url_params', 'max_attempts']),
];

/** Reads the body of `POST /webhooks`, or one webhook of a batch. A field that is null counts as left out. */
export function readWebhookFields(body: Uint8Array): WebhookFields | readonly FieldProblem[] {
  const json = withoutByteOrderMark(body);
  const members = membersOf(
    json.subarray(
      Math.max(
        0,
        json.findIndex((byte) => byte > 0x20),
      ),
    ),
  );
  if (members === null) return [{ pointer: '', detail: 'It must be a JSON object.' }];
  const given = new Map([...members].filter(([, value]) => !isNull(value)));
  const problems: FieldProblem[] = [];
  const wrong = (field: string, detail: string) =>
    void problems.push({ pointer: `/${escaped(field)}`, detail });

  for (const field of members.keys()) {
    if (!FIELDS.includes(field)) wrong(field, `There is no such field. The fields are ${FIELDS.join(', ')}.`);
  }
  for (const field of TEXTS)
    if (given.has(field) && textOf(given, field) === null) wrong(field, 'It must be a string.');
  for (const field of TIMES) {
    if (given.has(field) && timeOf(given, field) === null)
      wrong(field, 'It must be a time: a string, or Unix seconds.');
  }
  for (const field of ['headers', 'url_params']) {
    const value = given.get(field);
    if (value !== undefined && membersOf(value) === null) wrong(field, 'It must be an object.');
  }
  const attempts = given.get('max_attempts');
  const maxAttempts = attempts === undefined ? null : Number(scalarText(attempts));
  if (attempts?.[0] === 0x22 || Number.isNaN(maxAttempts)) wrong('max_attempts', 'It must be a number.');
  const destination = destinationOf(given, problems);
  if (problems.length > 0 || destination === null) return problems;
  return {
    destination,
    eventType: textOf(given, 'event_type'),
    eventId: textOf(given, 'event_id'),
    data: given.get('data') ?? members.get('data') ?? null,
    headers: given.get('headers') ?? null,
    urlParams: given.get('url_params') ?? null,
    orderingKey: textOf(given, 'ordering_key'),
    deliverAt: timeOf(given, 'deliver_at'),
    expiresAt: timeOf(given, 'expires_at'),
    maxAttempts,
    idempotencyKey: textOf(given, 'idempotency_key'),
  };
}

/** The values of a JSON object as text: numbers and booleans as they are written. A problem for other values. */
export function textsOf(
  json: Uint8Array | null,
  pointer: string,
): { readonly texts: Record<string, string> | undefined } | FieldProblem {
  if (json === null) return { texts: undefined };
  const texts: Record<string, string> = {};
  for (const [name, value] of membersOf(json) ?? []) {
    const text = scalarText(value);
    if (text === null) {
      return {
        pointer: `${pointer}/${escaped(name)}`,
        detail: 'It must be a string, a number or a boolean.',
      };
    }
    // An own property also for a name such as __proto__.
    Object.defineProperty(texts, name, { value: text, enumerable: true, configurable: true, writable: true });
  }
  return { texts };
}

function destinationOf(given: Map<string, Uint8Array>, problems: FieldProblem[]): Destination | null {
  const named = DESTINATIONS.filter((field) => given.has(field));
  const [field] = named;
  if (field === undefined || named.length > 1) {
    problems.push({ pointer: '', detail: `It must have exactly one of ${DESTINATIONS.join(', ')}.` });
    return null;
  }
  const json = given.get(field)!;
  if (field === 'webhook_url') {
    const url = json[0] === 0x22 ? scalarText(json) : null;
    return url === null ? null : { kind: 'url', url };
  }
  const text = scalarText(json);
  const pointer = `/${field}`;
  if (text !== null && /^\d{1,15}$/.test(text)) return { kind: 'row', id: Number(text), pointer };
  if (json[0] === 0x22) return { kind: 'name', name: text!, pointer };
  problems.push({
    pointer,
    detail: 'It must be the name of an endpoint, or the number of its row (webhook_id).',
  });
  return null;
}

function textOf(given: ReadonlyMap<string, Uint8Array>, field: string): string | null {
  const json = given.get(field);
  return json?.[0] === 0x22 ? scalarText(json) : null;
}

function timeOf(given: ReadonlyMap<string, Uint8Array>, field: string): string | null {
  const json = given.get(field);
  const text = json === undefined ? null : scalarText(json);
  return text === 'true' || text === 'false' ? null : text;
}

/** A name in a JSON pointer. Long ones are cut: they come from the body. */
function escaped(name: string): string {
  return name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1').toWellFormed();
}
