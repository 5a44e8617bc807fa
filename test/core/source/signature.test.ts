import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import {
  type RequestHeaders,
  type SignatureScheme,
  signatureProblem,
  signingKeyOf,
} from '../../../src/core/source/signature.ts';

const FIVE_MINUTES = 300_000;
const HMAC: SignatureScheme = {
  kind: 'hmac',
  header: 'x-webhook-signature',
  prefix: '',
  toleranceMs: FIVE_MINUTES,
};
const GITHUB: SignatureScheme = { ...HMAC, header: 'x-hub-signature-256', prefix: 'sha256=' };
const STRIPE: SignatureScheme = { ...HMAC, kind: 'stripe', header: 'stripe-signature' };
const STANDARD: SignatureScheme = { ...HMAC, kind: 'standard-webhooks', header: 'webhook-signature' };

function check(
  scheme: SignatureScheme,
  secrets: string | string[],
  headers: RequestHeaders,
  body: string | Uint8Array,
  now = 0,
) {
  const keys = [secrets].flat().map((secret) => signingKeyOf(scheme, secret)!);
  return signatureProblem(scheme, keys, headers, Buffer.from(body), now);
}
const hexOf = (secret: string, signed: string | Uint8Array) =>
  createHmac('sha256', secret).update(signed).digest('hex');

describe('a signature of GitHub', () => {
  // The example of docs.github.com, "Validating webhook deliveries".
  const SECRET = "It's a Secret to Everybody";
  const BODY = 'Hello, World!';
  const HEADER = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  const with256 = (value: string | string[]) => ({ 'x-hub-signature-256': value });

  it.each([[HEADER], [` ${HEADER} `], [HEADER.replace('757107ea', '757107EA')]])('%j is valid', (header) => {
    expect(check(GITHUB, SECRET, with256(header), BODY)).toBeNull();
  });

  it.each([
    [{}, 'no signature'],
    [with256(''), 'no signature'],
    [with256([HEADER, HEADER]), 'no signature'],
    [{ 'x-hub-signature': HEADER }, 'no signature'],
    [with256(HEADER.replace('sha256=', '')), 'broken signature'],
    [with256(HEADER.replace('sha256=', 'sha1=')), 'broken signature'],
    [with256('sha256='), 'broken signature'],
    [with256(HEADER.slice(0, -1)), 'broken signature'],
    [with256(`${HEADER}0`), 'broken signature'],
    [with256(`${HEADER}, ${HEADER}`), 'broken signature'],
    [with256(HEADER.replace('7571', 'zzzz')), 'broken signature'],
    [with256(HEADER.replace('7571', '7572')), 'other signature'],
    [with256('test-signature'), 'broken signature'],
  ])('in the headers %j is refused: %s', (headers, why) => {
    expect(check(GITHUB, SECRET, headers, BODY)).toBe(why);
  });

  it.each(['Hello, World', 'Hello, World! ', '', 'hello, World!'])('is not valid for the body %j', (body) => {
    expect(check(GITHUB, SECRET, with256(HEADER), body)).toBe('other signature');
  });
});

describe('a hex signature in a header of its own', () => {
  it('is one of the raw bytes, whatever they are', () => {
    const body = Buffer.from([0, 0xff, 0xc3, 0x28, 0x0d, 0x0a]);
    expect(check(HMAC, 'ä', { 'x-webhook-signature': hexOf('ä', body) }, body)).toBeNull();
    expect(check(HMAC, 'ä', { 'x-webhook-signature': hexOf('ä', '') }, '')).toBeNull();
  });

  it('is valid with each secret of a rotation, and with no other', () => {
    for (const secret of ['new', 'old']) {
      const headers = { 'x-webhook-signature': hexOf(secret, 'body') };
      expect(check(HMAC, ['new', 'old'], headers, 'body')).toBeNull();
      expect(check(HMAC, 'third', headers, 'body')).toBe('other signature');
    }
  });

  it('has no valid empty secret', () => {
    expect(signingKeyOf(HMAC, '')).toBeNull();
  });
});

describe('a signature of Stripe', () => {
  const SECRET = 'whsec_test_secret';
  const BODY = '{"id":"evt_1"}';
  const T = 1_492_774_577;
  // printf '%s' '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_secret
  const V1 = '799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f';
  const OTHER = '0'.repeat(64);
  const checkAt = (header: string, now = T * 1000, secrets: string | string[] = SECRET) =>
    check(STRIPE, secrets, { 'stripe-signature': header }, BODY, now);

  it.each([
    [`t=${T},v1=${V1}`],
    [`t=${T}, v1=${V1}, v0=${OTHER}`],
    [`v0=${OTHER},v1=${OTHER},v1=${V1},t=${T}`],
    [`t=${T},scheme=1,v1=broken,v1=${V1}`],
  ])('%j is valid', (header) => {
    expect(checkAt(header)).toBeNull();
  });

  it.each([
    [`v1=${V1}`, 'broken signature'],
    [`t=${T}`, 'broken signature'],
    [`t=${T},v0=${V1}`, 'broken signature'],
    [`t=${T},t=${T},v1=${V1}`, 'broken signature'],
    [`t=${T},t=${T + 1000000},v1=${V1}`, 'broken signature'],
    [`t=,v1=${V1}`, 'broken time'],
    [`t=${T}.0,v1=${V1}`, 'broken time'],
    [`t=-1,v1=${V1}`, 'broken time'],
    [`t=1e9,v1=${V1}`, 'broken time'],
    [`t=${T + 1},v1=${V1}`, 'other signature'],
    [`t=${T},v1=${OTHER}`, 'other signature'],
    ['garbage', 'broken signature'],
  ])('%j is refused: %s', (header, why) => {
    expect(checkAt(header)).toBe(why);
  });

  it.each([
    [0, null],
    [300_000, null],
    [300_001, 'too old'],
    [-300_000, null],
    [-300_001, 'too new'],
  ])('received %i ms after its time is judged: %s', (afterMs, why) => {
    expect(checkAt(`t=${T},v1=${V1}`, T * 1000 + afterMs)).toBe(why);
  });

  it('is valid with the second secret of a rotation', () => {
    expect(checkAt(`t=${T},v1=${V1}`, T * 1000, ['new', SECRET])).toBeNull();
  });
});

describe('a signature of Standard Webhooks', () => {
  // The test vector of the specification.
  const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
  const T = 1_614_265_330;
  const BODY = '{"test": 2432232314}';
  const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
  const HEADERS = { 'webhook-id': ID, 'webhook-timestamp': String(T), 'webhook-signature': SIGNATURE };
  const checkWith = (change: RequestHeaders, now = T * 1000, secrets: string | string[] = SECRET) =>
    check(STANDARD, secrets, { ...HEADERS, ...change }, BODY, now);

  it('is valid as in the specification, and as the package standardwebhooks makes it', () => {
    expect(checkWith({})).toBeNull();
    const made = new Webhook(SECRET).sign(ID, new Date(T * 1000), BODY);
    expect(checkWith({ 'webhook-signature': made })).toBeNull();
    expect(checkWith({}, T * 1000, SECRET.replace('whsec_', ''))).toBeNull();
  });

  it.each([
    [`v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ${SIGNATURE}`],
    [`v1a,AAAA ${SIGNATURE}`],
    [`v2,x  ${SIGNATURE} `],
  ])('beside others is valid: %s', (signature) => {
    expect(checkWith({ 'webhook-signature': signature })).toBeNull();
  });

  it.each([
    [{ 'webhook-id': undefined }, 'no signature'],
    [{ 'webhook-timestamp': undefined }, 'no signature'],
    [{ 'webhook-signature': undefined }, 'no signature'],
    [{ 'webhook-id': 'msg_other' }, 'other signature'],
    [{ 'webhook-timestamp': String(T + 1) }, 'other signature'],
    [{ 'webhook-timestamp': `${T}.5` }, 'broken time'],
    [{ 'webhook-timestamp': ' ' }, 'broken time'],
    [{ 'webhook-signature': SIGNATURE.slice(3) }, 'broken signature'],
    [{ 'webhook-signature': SIGNATURE.replace('v1,', 'v1a,') }, 'broken signature'],
    [{ 'webhook-signature': SIGNATURE.replace('v1,', 'v2,') }, 'broken signature'],
    [{ 'webhook-signature': SIGNATURE.slice(0, -1) }, 'broken signature'],
    [{ 'webhook-signature': 'v1,' }, 'broken signature'],
    [{ 'webhook-signature': SIGNATURE.replace('g0', 'g1') }, 'other signature'],
  ])('with %j is refused: %s', (change, why) => {
    expect(checkWith(change)).toBe(why);
  });

  it.each([
    [300_000, null],
    [300_001, 'too old'],
    [-300_001, 'too new'],
  ])('received %i ms after its time is judged: %s', (afterMs, why) => {
    expect(checkWith({}, T * 1000 + afterMs)).toBe(why);
  });

  it('of Svix has the headers of Svix', () => {
    const headers = { 'svix-id': ID, 'svix-timestamp': String(T), 'svix-signature': SIGNATURE };
    expect(check({ ...STANDARD, header: 'svix-signature' }, SECRET, headers, BODY, T * 1000)).toBeNull();
  });

  it.each(['', 'whsec_', 'whsec_ä', 'not base64!'])('has no valid secret %j', (secret) => {
    expect(signingKeyOf(STANDARD, secret)).toBeNull();
  });
});
