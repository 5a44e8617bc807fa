import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseHeaders } from '../../../src/core/request/headers.ts';

describe('accepted headers', () => {
  let server: Server;
  let agent: Agent;
  let origin: string;

  beforeAll(async () => {
    server = createServer((request, response) => response.end(JSON.stringify(request.rawHeaders)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    agent = new Agent();
  });

  afterAll(async () => {
    await agent.close();
    server.close();
  });

  async function received(headers: readonly string[]): Promise<string[]> {
    const { body } = await agent.request({ origin, path: '/', method: 'POST', headers: [...headers] });
    return (await body.json()) as string[];
  }

  it('arrive unchanged through undici, except for the space around a value', async () => {
    const name = fc.oneof(
      fc.constantFrom('Content-Type', 'accept', 'User-Agent', 'Cookie', 'HTTP2-Settings', 'Via'),
      fc.string({ maxLength: 4 }).map((text) => `X${text}`),
    );
    const value = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary', maxLength: 3 }),
      fc.integer(),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value), async (fields) => {
        const parsed = parseHeaders(Buffer.from(JSON.stringify(fields)));
        fc.pre(parsed.kind === 'headers');
        const list = parsed.list.map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
        expect((await received(parsed.list)).join('\n')).toContain(list.join('\n'));
      }),
      { numRuns: 200 },
    );
  });
});
