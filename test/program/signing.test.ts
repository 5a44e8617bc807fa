import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import type { ReceivedRequest } from '../../src/receiver/receiver.ts';
import { until } from '../support/wait.ts';
import { logOf, openScene, startEndpoint, stopWorker } from './scene.ts';

const FIRST = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const SECOND = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

/** Verifies a request with the Standard Webhooks library, as receivers do. Throws if the signature is wrong. */
const verify = (secret: string, { body, headers }: ReceivedRequest) =>
  new Webhook(secret).verify(body, headers as Record<string, string>);

function accepts(secret: string, request: ReceivedRequest): boolean {
  try {
    verify(secret, request);
    return true;
  } catch {
    return false;
  }
}

describe('a message that names its URL', () => {
  it('is signed with SIGNING_SECRET, over the sent bytes', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.startWorker({ SIGNING_SECRET: `${SECOND},${FIRST}` });
    await scene.publish(
      Buffer.from(`{"webhook_url":"${endpoint.url}","data":{"n": 12345678901234567890, "ü":1}}`),
    );
    await scene.publish(Buffer.from(`{"webhook_url":"${endpoint.url}","data":{"n": 1.0}}`));
    await until(() => endpoint.requests.length === 2);
    for (const request of endpoint.requests)
      expect([accepts(FIRST, request), accepts(SECOND, request)]).toEqual([true, true]);
  });

  it('is not signed without SIGNING_SECRET', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.startWorker();
    await scene.publishMany(1, endpoint.url);
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests[0]!.headers).not.toHaveProperty('webhook-signature');
  });
});

describe('an endpoint of rule_webhooks', () => {
  it('accepts every request before, during and after a rotation of its secret, and no secret is in the log', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await stopWorker(await scene.startWorker());
    const [row] = await scene.query<{ id: number }>(
      `INSERT INTO rule_webhooks (webhook_name, url, hub_signature) VALUES ('signed', $1, true) RETURNING webhook_id AS id`,
      [endpoint.url],
    );
    const setSecret = (name: string, secret: string) =>
      scene.query('SELECT rule_webhook_secret_set($1, $2, $3)', [row!.id, name, secret]);
    await setSecret('signing_secret', FIRST);
    const worker = await scene.startWorker({ LOG_LEVEL: 'trace' });
    const publish = () => scene.publish({ n: 1 }, { subject: 'webhooks.signed' });

    await publish();
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests.every((request) => accepts(FIRST, request))).toBe(true);
    expect(endpoint.requests[0]!.headers['x-hub-signature-256']).toMatch(/^sha256=[0-9a-f]{64}$/);

    await setSecret('signing_secret_next', SECOND);
    const both = await until(async () => {
      await publish();
      return endpoint.requests.find((request) => accepts(SECOND, request));
    });
    expect(accepts(FIRST, both)).toBe(true);

    await scene.query('SELECT rule_webhook_secret_delete($1, $2)', [row!.id, 'signing_secret']);
    await until(async () => {
      await publish();
      return !accepts(FIRST, endpoint.requests.at(-1)!);
    });
    expect(accepts(SECOND, endpoint.requests.at(-1)!)).toBe(true);
    // A receiver that knows both secrets accepts every request.
    expect(endpoint.requests.every((each) => accepts(FIRST, each) || accepts(SECOND, each))).toBe(true);
    await stopWorker(worker);
    expect(JSON.stringify(logOf(worker))).not.toMatch(/whsec_|MfKQ9r8G|C2FVsBQI/);
  });
});
