import { describe, expect, it } from 'vitest';
import { startMisbehavingEndpoint } from '../program/misbehaving-endpoint.ts';
import { until } from '../support/wait.ts';

const endpoint = await startMisbehavingEndpoint();

/** What became of a request: its status, or `broken` where there was no whole answer. */
async function ask(path: string): Promise<number | 'broken'> {
  try {
    const response = await fetch(endpoint.url + path, { headers: { 'webhook-id': path } });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 'broken';
  }
}

const noted = (path: string) => endpoint.requests.find((request) => request.path === path);

describe('an endpoint that misbehaves', () => {
  it.each([
    { path: '/ok', answers: 200, answered: true },
    { path: '/status/418', answers: 418, answered: false },
    { path: '/reset', answers: 'broken', answered: false },
    { path: '/garbage', answers: 'broken', answered: false },
    { path: '/cut', answers: 'broken', answered: false },
    { path: '/headers', answers: 'broken', answered: false },
  ] as const)('answers $path with $answers', async ({ path, answers, answered }) => {
    expect(await ask(path)).toBe(answers);
    expect(noted(path)).toMatchObject({ webhookId: path, answered });
  });

  it.each([
    { path: '/flood/200', least: 1_000_000, answered: true },
    { path: '/flood/500', least: 1_000_000, answered: false },
    { path: '/drip', least: 2, answered: false },
  ])('goes on and on with $path, until the other side hangs up', async ({ path, least, answered }) => {
    const { body } = await fetch(endpoint.url + path);
    let bytes = 0;
    for await (const chunk of body!) {
      bytes += chunk.length;
      if (bytes >= least) break;
    }
    expect(bytes).toBeGreaterThanOrEqual(least);
    expect(noted(path)).toMatchObject({ answered });
  });

  it('answers everything once it has recovered, also what hangs', async () => {
    const hanging = ask('/hang');
    await until(() => noted('/hang'));
    endpoint.recover();
    expect([await hanging, await ask('/status/503')]).toEqual([200, 200]);
    expect(noted('/hang')).toMatchObject({ answered: true });
    endpoint.misbehave();
    expect(await ask('/status/503')).toBe(503);
  });

  it('refuses connections once it has left, and is there again when it has recovered', async () => {
    endpoint.leave();
    expect(await ask('/ok')).toBe('broken');
    endpoint.recover();
    expect(await until(() => ask('/ok').then((answer) => answer === 200 && answer))).toBe(200);
  });
});
