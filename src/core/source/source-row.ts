import { RequestHeader } from '../request/header-names.ts';
import { parseLocator } from './locator.ts';
import { schemaProblem } from './schema-bounds.ts';
import { type SignatureScheme, signingKeyOf } from './signature.ts';

/** What a source is, by the columns of `rule_nats_sources` or the fields of a file. */
export type SourceRow = {
  /** The name of the webhooks: `POST /webhooks/<name>`. */
  readonly name: string;
  readonly description: string | null;
  /** Null: requests are not signed. */
  readonly signature: SignatureScheme | null;
  /** Secrets of the signature, the newest first. Without one, requests are not verified. */
  readonly secrets: readonly string[];
  /** Requests need an API key also if their signature is verified. */
  readonly keyRequired: boolean;
  /** A JSON Schema (2020-12); null: any bytes are accepted. */
  readonly schema: unknown;
  /** Declarations as `parseLocator` reads them. */
  readonly idempotencyKey: string | null;
  readonly eventType: string | null;
  readonly eventId: string | null;
  /** Why nothing can be accepted for the source, for its operator; null: nothing is wrong. */
  readonly problem: string | null;
};

type Json = Readonly<Record<string, unknown>>;

export const SCHEMES = ['none', 'hmac', 'github', 'standard-webhooks', 'stripe'] as const;
type Scheme = (typeof SCHEMES)[number];

/** The names that a source may have: one token of a NATS subject. */
export const SOURCE_NAME = /^[A-Za-z0-9_-]{1,200}$/;

const DEFAULT_TOLERANCE_MS = 300_000;
const LONGEST_TOLERANCE_MS = 86_400_000;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;

const HEADERS: Readonly<Record<Scheme, string>> = {
  none: '',
  hmac: 'X-Webhook-Signature',
  github: RequestHeader.hubSignature,
  'standard-webhooks': RequestHeader.signature,
  stripe: 'Stripe-Signature',
};

/** What the senders of a scheme always say. A source may declare something else. */
function declaredBy(
  scheme: Scheme,
  signature: SignatureScheme | null,
): { readonly event_type?: string; readonly event_id?: string } {
  switch (scheme) {
    case 'github':
      return { event_type: 'header:X-GitHub-Event', event_id: 'header:X-GitHub-Delivery' };
    case 'stripe':
      return { event_type: 'body:type', event_id: 'body:id' };
    case 'standard-webhooks':
      return { event_type: 'body:type', event_id: `header:${signature!.header.replace(/signature$/, '')}id` };
    default:
      return {};
  }
}

type Declaration = 'idempotency_key' | 'event_type' | 'event_id';

/** The fields of a source, in a file and as columns. */
export const SOURCE_FIELDS: readonly string[] = [
  'description',
  'signature',
  'signature_header',
  'signature_prefix',
  'tolerance_ms',
  'key_required',
  'schema',
  'idempotency_key',
  'event_type',
  'event_id',
];

/** Reads a source, whatever its fields are: a field that cannot be read is a `problem`, because nothing unchecked may come in. */
export function sourceRowOf(name: string, fields: Json, secrets: readonly string[]): SourceRow {
  const problems: string[] = [];
  const text = (field: string): string | null => {
    const value = fields[field] ?? null;
    if (value === null || typeof value === 'string') return value;
    problems.push(`${field} is not a text`);
    return null;
  };
  const scheme = text('signature') ?? 'none';
  const known = SCHEMES.find((each) => each === scheme);
  if (known === undefined) problems.push(`signature is not one of ${SCHEMES.join(', ')}`);
  const signature = signatureOf(known ?? 'none', text, fields.tolerance_ms ?? null, problems);
  const declared = (field: Declaration): string | null => {
    // A sender repeats an event under the same id. Without a secret, anybody could take the id of an event that comes later.
    const isVerified = signature !== null && secrets.length > 0;
    const byDefault = declaredBy(known ?? 'none', signature);
    const usual = field === 'idempotency_key' ? (isVerified ? byDefault.event_id : null) : byDefault[field];
    const value = text(field) ?? usual ?? null;
    const locator = value === null ? null : parseLocator(value);
    if (typeof locator === 'string') problems.push(`${field}: ${locator}`);
    return value;
  };
  const row = {
    name,
    description: text('description'),
    signature,
    secrets,
    keyRequired: fields.key_required === true,
    schema: fields.schema ?? null,
    idempotencyKey: declared('idempotency_key'),
    eventType: declared('event_type'),
    eventId: declared('event_id'),
  };
  if (!SOURCE_NAME.test(name)) problems.push('its name is not 1 to 200 of the characters A-Z a-z 0-9 _ -');
  if (typeof (fields.key_required ?? false) !== 'boolean')
    problems.push('key_required is neither true nor false');
  if (signature === null && secrets.length > 0) {
    problems.push('it has a secret, and its signature is none, so that the secret would verify nothing');
  }
  if (signature !== null && secrets.some((secret) => signingKeyOf(signature, secret) === null)) {
    problems.push(known === 'standard-webhooks' ? 'a secret is not whsec_<base64>' : 'a secret is empty');
  }
  const schema = row.schema === null ? null : schemaProblem(row.schema);
  if (schema !== null) problems.push(schema);
  return { ...row, problem: problems.length === 0 ? null : problems.join('; ') };
}

function signatureOf(
  scheme: Scheme,
  text: (field: string) => string | null,
  tolerance: unknown,
  problems: string[],
): SignatureScheme | null {
  const header = text('signature_header') ?? HEADERS[scheme];
  const prefix = text('signature_prefix') ?? (scheme === 'github' ? 'sha256=' : '');
  const toleranceMs = Number(tolerance ?? DEFAULT_TOLERANCE_MS);
  if (!(Number.isInteger(toleranceMs) && toleranceMs >= 1000 && toleranceMs <= LONGEST_TOLERANCE_MS)) {
    problems.push(`tolerance_ms is not a whole number from 1000 to ${LONGEST_TOLERANCE_MS}`);
  }
  if (scheme === 'none') return null;
  if (!HEADER_NAME.test(header)) problems.push('signature_header is not the name of a header');
  const kind = scheme === 'github' ? 'hmac' : scheme;
  return { kind, header: header.toLowerCase(), prefix, toleranceMs };
}
