import { describe, expect, it } from 'vitest';
import { startMisbehavingEndpoint } from '../program/misbehaving-endpoint.ts';
import { until } from '../support/wait.ts';

const endpoint = await startMisbehavingEndpoint();

/** Sends a request. Returns its status, or `broken` if no complete answer came. */
async function resultOf(path: string): Promise<number | 'broken'> {
  try {
    const response = await fetch(endpoint.url + path, { headers: { 'webhook-id': path } });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 'broken';
  }
}

const requestTo = (path: string) => endpoint.requests.find((request) => request.path === path);

describe('a misbehaving endpoint', () => {
  it.each([
    { path: '/ok', answers: 200, answered: true },
    { path: '/status/418', answers: 418, answered: false },
    { path: '/reset', answers: 'broken', answered: false },
    { path: '/garbage', answers: 'broken', answered: false },
    { path: '/cut', answers: 'broken', answered: true },
    { path: '/headers', answers: 'broken', answered: true },
  ] as const)('answers $path with $answers', async ({ path, answers, answered }) => {
    expect(await resultOf(path)).toBe(answers);
    expect(requestTo(path)).toMatchObject({ webhookId: path, answered });
  });

  it.each([
    { path: '/flood/200', minBytes: 1_000_000, answered: true },
    { path: '/flood/500', minBytes: 1_000_000, answered: false },
    { path: '/drip', minBytes: 2, answered: true },
  ])('sends an endless answer to $path until the client closes the connection', async ({
    path,
    minBytes,
    answered,
  }) => {
    const { body } = await fetch(endpoint.url + path);
    let bytes = 0;
    for await (const chunk of body!) {
      bytes += chunk.length;
      if (bytes >= minBytes) break;
    }
    expect(bytes).toBeGreaterThanOrEqual(minBytes);
    expect(requestTo(path)).toMatchObject({ answered });
  });

  it('answers every request once it has recovered, and the requests that hang', async () => {
    const hanging = resultOf('/hang');
    await until(() => requestTo('/hang'));
    endpoint.recover();
    expect([await hanging, await resultOf('/status/503')]).toEqual([200, 200]);
    expect(requestTo('/hang')).toMatchObject({ answered: true });
    endpoint.misbehave();
    expect(await resultOf('/status/503')).toBe(503);
  });

  it('refuses connections once it has left, and accepts them again once it has recovered', async () => {
    endpoint.leave();
    expect(await resultOf('/ok')).toBe('broken');
    endpoint.recover();
    expect(await until(() => resultOf('/ok').then((answer) => answer === 200 && answer))).toBe(200);
  });
});
