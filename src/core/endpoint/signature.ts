import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { RequestHeader } from '../request/header-names.ts';

/** The keys that sign requests to one endpoint. */
export type Signing = {
  /** Every key signs every request; the newest first. There are several keys while a secret is rotated. */
  readonly keys: readonly KeyObject[];
  /** For `X-Hub-Signature-256`; null: the row does not ask for this header. */
  readonly hubKey: KeyObject | null;
};

const PREFIX = 'whsec_';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** A Standard Webhooks secret, `whsec_<base64>` (the prefix may be missing), as a key; null if the text is not a secret. */
export function parseSecret(text: string): KeyObject | null {
  const bare = text.trim().replace(/^whsec_/, '');
  if (!BASE64.test(bare)) return null;
  const bytes = Buffer.from(bare, 'base64');
  return bytes.length === 0 ? null : createSecretKey(bytes);
}

/**
 * Tells whether two workers have the same secret, and hardly anything of it: 12 bits of a hash, written as 3 hex digits. Two
 * different secrets have the same fingerprint once in 4096 times.
 */
export function secretFingerprint(text: string): string {
  return createHmac('sha256', 'secret of nats-webhook-worker').update(text.trim()).digest('hex').slice(0, 3);
}

/**
 * The signing keys of an endpoint; null if it has no secrets.
 *
 * @param secrets The newest first.
 * @returns A sentence that says what is wrong, if one of the secrets is not valid. It holds no part of the secret.
 */
export function signingOf(secrets: readonly string[], hub: boolean): Signing | string | null {
  if (secrets.length === 0) return null;
  const keys = secrets.map(parseSecret);
  if (keys.includes(null)) return `a signing_secret in rule_webhook_secrets is not ${PREFIX}<base64>`;
  // Receivers of `X-Hub-Signature-256` use the secret's text as the key, without decoding it.
  const hubKey = hub ? createSecretKey(Buffer.from(secrets[0]!, 'utf8')) : null;
  return { keys: keys as KeyObject[], hubKey };
}

/**
 * The headers that sign a request: `webhook-signature` (Standard Webhooks) and, if the row asks for it, `x-hub-signature-256`,
 * over the bytes of the body. Name, value, name, value, …
 *
 * @param timestamp In seconds since 1970.
 */
export function signatureHeaders(
  { keys, hubKey }: Signing,
  id: string,
  timestamp: string,
  body: Uint8Array | null,
): string[] {
  const bytes = body ?? '';
  const signatures = keys.map((key) => {
    const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(bytes);
    return `v1,${hmac.digest('base64')}`;
  });
  const headers = [RequestHeader.signature, signatures.join(' ')];
  if (hubKey !== null)
    headers.push(
      RequestHeader.hubSignature,
      `sha256=${createHmac('sha256', hubKey).update(bytes).digest('hex')}`,
    );
  return headers;
}
