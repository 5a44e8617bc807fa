import { expect, test } from 'vitest';
import { type ReceivedRequest, type ReceiverOptions, startReceiver } from '../../src/receiver/receiver.ts';
import { requestLine } from '../../src/receiver/request-line.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { cleanUpAfter } from '../support/clean-up.ts';

async function receiver(options: ReceiverOptions = {}) {
  const requests: ReceivedRequest[] = [];
  const started = await startReceiver(options, (request) => requests.push(request));
  cleanUpAfter(started.close);
  const post = async (id: string, body = '{}', headers: Record<string, string> = {}) => {
    const response = await fetch(`${started.url}/hook?a=1`, {
      method: 'POST',
      headers: { 'webhook-id': id, ...headers },
      body,
    });
    await response.text();
    return response.status;
  };
  return { ...started, post, requests };
}

test('a second request with the same webhook-id after a 2xx counts as doubled', async () => {
  const { post, received } = await receiver();
  await post('a');
  await post('b');
  await post('a');
  expect(received()).toEqual({ requests: 3, webhookIds: 2, retries: 0, doubled: 1, withoutId: 0 });
});

test('a second request with the same webhook-id after a failure counts as a retry', async () => {
  const { post, received } = await receiver({ failFirst: 1 });
  await post('a');
  await post('a');
  expect(received()).toMatchObject({ retries: 1, doubled: 0 });
});

test('as many first attempts of each webhook-id fail as --fail-first says', async () => {
  const { post } = await receiver({ failFirst: 2, status: 503 });
  expect([await post('a'), await post('a'), await post('b'), await post('a')]).toEqual([503, 503, 503, 200]);
});

test('every request gets the status that --status names', async () => {
  const { post } = await receiver({ status: 410 });
  expect([await post('a'), await post('a')]).toEqual([410, 410]);
});

test('a request is reported with its body byte for byte', async () => {
  const { post, requests } = await receiver();
  await post('a', '{"n":12345678901234567890, "a":1.0}');
  expect(requests[0]?.body.toString()).toBe('{"n":12345678901234567890, "a":1.0}');
});

test('the receiver keeps only the start of a long body, and counts all its bytes', async () => {
  const { post, requests } = await receiver({ keepBodyBytes: 4 });
  await post('a', 'x'.repeat(200_000));
  expect(requests[0]).toMatchObject({ body: Buffer.from('xxxx'), bodyBytes: 200_000 });
});

test('a port in use is an error that names the port and the flag', async () => {
  const { port } = await receiver();
  const second = startReceiver({ port });
  await expect(second).rejects.toThrow(UserError);
  await expect(second).rejects.toThrow(`Port ${port} is in use`);
  await expect(second).rejects.toThrow('--port');
});

test('the line of a request shows time, method, path, status, id, attempt, event headers and the start of the body', async () => {
  const { post, requests } = await receiver({ failFirst: 1 });
  await post('id-1', '{"hello":"world"}', {
    'X-Event-Type': 'user.created',
    'content-type': 'application/json',
  });
  expect(requestLine({ ...requests[0]!, at: new Date(2026, 0, 1, 12, 3, 4, 5) }, 9)).toBe(
    '12:03:04.005  POST /hook?a=1  500  webhook-id=id-1 attempt=1  x-event-type: user.created  {"hello":… (17 bytes)',
  );
});

test.each([
  [60_000, '200 in 60 s'],
  [1500, '200 in 1.5 s'],
  [999, '200 in 999 ms'],
])('the line of a request shows that its answer is delayed by %i ms: %s', async (delayMs, answer) => {
  const { post, requests } = await receiver();
  await post('a');
  expect(requestLine({ ...requests[0]!, delayMs }, 0)).toContain(`  POST /hook?a=1  ${answer}  webhook-id=a`);
});

test('a request is reported before its delayed answer, with the delay', async () => {
  const { post, requests } = await receiver({ delayMs: 20 });
  await post('a');
  expect(requests[0]).toMatchObject({ status: 200, delayMs: 20 });
});

test('the line of a request shows no credentials', async () => {
  const { post, requests } = await receiver();
  await post('a', '{}', { authorization: 'Bearer hunter2', 'x-api-key': 'hunter2', cookie: 'hunter2' });
  expect(requestLine(requests[0]!, 100)).not.toContain('hunter2');
});

test('a body cannot move the cursor of the terminal that shows it', async () => {
  const { post, requests } = await receiver();
  await post('a', 'x\x1b[2Jy\nz');
  expect(requestLine(requests[0]!, 100)).toContain('x\\u001b[2Jy\\nz');
});
