import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  parseSecret,
  type Signing,
  signatureHeaders,
  signingOf,
} from '../../../src/core/endpoint/signature.ts';

// The example of the Standard Webhooks specification.
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const TIMESTAMP = '1614265330';
const BODY = Buffer.from('{"test": 2432232314}');
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';

const sign = (secrets: string[], body: Uint8Array | null = BODY, hub = false) => {
  const headers = signatureHeaders(signingOf(secrets, hub) as Signing, ID, TIMESTAMP, body);
  return Object.fromEntries(
    headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1]]] : [])),
  );
};

describe('a signed request', () => {
  it('has the signature of the Standard Webhooks specification', () => {
    expect(sign([SECRET])).toEqual({ 'webhook-signature': SIGNATURE });
  });

  it('has one signature per secret, in the order of the secrets', () => {
    const other = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
    const [first, second] = sign([other, SECRET])['webhook-signature']!.split(' ');
    expect([first, second]).toEqual([sign([other])['webhook-signature'], SIGNATURE]);
  });

  it('without a body has the signature of an empty body', () => {
    expect(sign([SECRET], null)['webhook-signature']).toBe(
      sign([SECRET], Buffer.alloc(0))['webhook-signature'],
    );
  });

  it('has X-Hub-Signature-256 if hub_signature is true, signed with the secret as it is written', () => {
    const expected = createHmac('sha256', SECRET).update(BODY).digest('hex');
    expect(sign([SECRET], BODY, true)['x-hub-signature-256']).toBe(`sha256=${expected}`);
  });
});

describe('a secret', () => {
  it.each([SECRET, SECRET.slice('whsec_'.length), ` ${SECRET} `])('may be written as %j', (text) => {
    expect(parseSecret(text)?.export()).toEqual(parseSecret(SECRET)!.export());
  });

  it.each(['', 'whsec_', 'whsec_not base64', 'häkchen', 'whsec_=='])('may not be %j', (text) => {
    expect(parseSecret(text)).toBeNull();
  });

  it('is not quoted in the error if it is invalid', () => {
    expect(signingOf([SECRET, 'hunter 2'], false)).toBe(
      'a signing_secret in rule_webhook_secrets is not whsec_<base64>',
    );
  });

  it('is optional: without one, requests are not signed', () => {
    expect(signingOf([], true)).toBeNull();
  });
});
