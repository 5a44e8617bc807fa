import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { parseSecret } from '../endpoint/signature.ts';

/** The headers of a request, by their names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** How a source signs its requests. */
export type SignatureScheme = {
  /**
   * `hmac`: hex HMAC-SHA-256 of the body, in a header. `standard-webhooks` and `stripe`: the time is signed, too. `github` is
   * `hmac` with the header and the prefix of GitHub.
   */
  readonly kind: 'hmac' | 'standard-webhooks' | 'stripe';
  /** The header with the signature, in lower case. */
  readonly header: string;
  /** What stands before the hex digits: `sha256=`. Only for `hmac`. */
  readonly prefix: string;
  /** How far the signed time may be from ours, before or after it, in milliseconds. Not for `hmac`. */
  readonly toleranceMs: number;
};

/** Why a request is not accepted, for our log only: the caller is told the same for each reason. */
export type SignatureProblem =
  | 'no signature'
  | 'broken signature'
  | 'other signature'
  | 'broken time'
  | 'too old'
  | 'too new';

/**
 * The key of a secret; null if the secret is not valid. Standard Webhooks secrets are base64, all others are the key as they are.
 */
export function signingKeyOf({ kind }: SignatureScheme, secret: string): KeyObject | null {
  if (kind === 'standard-webhooks') return parseSecret(secret);
  return secret === '' ? null : createSecretKey(Buffer.from(secret, 'utf8'));
}

/**
 * Checks that one of the keys signed the request. Compares in constant time.
 *
 * @param keys At least one; several while a secret is rotated.
 * @param body The bytes as they came, after a `Content-Encoding` was undone.
 * @param now Milliseconds since 1970.
 * @returns Null, or why not.
 */
export function signatureProblem(
  scheme: SignatureScheme,
  keys: readonly KeyObject[],
  headers: RequestHeaders,
  body: Uint8Array,
  now: number,
): SignatureProblem | null {
  const value = textOf(headers[scheme.header]);
  if (value === null) return 'no signature';
  switch (scheme.kind) {
    case 'hmac':
      return hmacProblem(scheme, keys, value, body);
    case 'standard-webhooks':
      return standardProblem(scheme, keys, headers, body, now);
    case 'stripe':
      return stripeProblem(scheme, keys, value, body, now);
  }
}

/** A header that came twice is no text. */
function textOf(value: RequestHeaders[string]): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function hmacProblem(
  { prefix }: SignatureScheme,
  keys: readonly KeyObject[],
  value: string,
  body: Uint8Array,
): SignatureProblem | null {
  const digits = value.trim();
  if (!digits.startsWith(prefix)) return 'broken signature';
  const given = bytesOf(digits.slice(prefix.length), 'hex');
  if (given === null) return 'broken signature';
  return isSigned(keys, [given], [body]) ? null : 'other signature';
}

function standardProblem(
  { header, toleranceMs }: SignatureScheme,
  keys: readonly KeyObject[],
  headers: RequestHeaders,
  body: Uint8Array,
  now: number,
): SignatureProblem | null {
  // `webhook-signature` goes with `webhook-id`, and `svix-signature` of Svix with `svix-id`.
  const stem = header.replace(/signature$/, '');
  const id = textOf(headers[`${stem}id`]);
  const timestamp = textOf(headers[`${stem}timestamp`]);
  if (id === null || timestamp === null) return 'no signature';
  const late = timeProblem(timestamp, toleranceMs, now);
  if (late !== null) return late;
  const given = textOf(headers[header])!
    .split(' ')
    .flatMap((each) => (each.startsWith('v1,') ? (bytesOf(each.slice(3), 'base64') ?? []) : []));
  if (given.length === 0) return 'broken signature';
  return isSigned(keys, given, [`${id}.${timestamp}.`, body]) ? null : 'other signature';
}

function stripeProblem(
  { toleranceMs }: SignatureScheme,
  keys: readonly KeyObject[],
  value: string,
  body: Uint8Array,
  now: number,
): SignatureProblem | null {
  const items = value.split(',').map((item) => item.trim().split('='));
  const valuesOf = (name: string) => items.filter(([key]) => key === name).map(([, text]) => text ?? '');
  const [timestamp, ...others] = valuesOf('t');
  if (timestamp === undefined || others.length > 0) return 'broken signature';
  const late = timeProblem(timestamp, toleranceMs, now);
  if (late !== null) return late;
  const given = valuesOf('v1').flatMap((hex) => bytesOf(hex, 'hex') ?? []);
  if (given.length === 0) return 'broken signature';
  return isSigned(keys, given, [`${timestamp}.`, body]) ? null : 'other signature';
}

/** @param timestamp Seconds since 1970. */
function timeProblem(timestamp: string, toleranceMs: number, now: number): SignatureProblem | null {
  if (!/^\d{1,12}$/.test(timestamp)) return 'broken time';
  const ageMs = now - Number(timestamp) * 1000;
  if (ageMs > toleranceMs) return 'too old';
  // The timestamp has no fraction: one of this second may lie up to a second before it was made, and never behind.
  return ageMs < -toleranceMs ? 'too new' : null;
}

/** SHA-256 as 32 bytes; null if the text is anything else. */
function bytesOf(text: string, encoding: 'hex' | 'base64'): Buffer | null {
  const form = encoding === 'hex' ? /^[0-9a-f]{64}$/i : /^[A-Za-z0-9+/]{43}=$/;
  return form.test(text) ? Buffer.from(text, encoding) : null;
}

/** True if one of the signatures is one that one of the keys makes. Every pair is compared, whatever the first ones gave. */
function isSigned(
  keys: readonly KeyObject[],
  given: readonly Buffer[],
  signed: readonly (string | Uint8Array)[],
): boolean {
  let found = false;
  for (const key of keys) {
    const hmac = createHmac('sha256', key);
    for (const part of signed) hmac.update(part);
    const expected = hmac.digest();
    for (const one of given) if (timingSafeEqual(one, expected)) found = true;
  }
  return found;
}
