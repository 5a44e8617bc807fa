import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../../src/embedded/process/ports.ts';
import { cleanUpAfter } from '../../support/clean-up.ts';

async function listenOn(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  cleanUpAfter(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a free port', () => {
  it('is the preferred one if nothing listens on it', async () => {
    const port = await freePort();
    expect(await freePort(port)).toBe(port);
  });

  it.each([
    '127.0.0.1',
    '0.0.0.0',
  ])('is another port if a server listens on the preferred port at %s', async (host) => {
    const taken = await listenOn(host);
    const port = await freePort(taken);
    expect(port).toBeGreaterThan(0);
    expect(port).not.toBe(taken);
  });
});
