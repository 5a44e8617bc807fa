import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type LookupFunction } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAddressRules } from '../../src/core/endpoint/address.ts';
import { checkedLookup, type ResolveAll } from '../../src/http/checked-lookup.ts';

/** Only these addresses of the machine are allowed. The test uses its other addresses as forbidden ones. */
const rules = createAddressRules({ allowedCidrs: ['127.0.0.1', '::1'] });
const ALLOWED: LookupAddress = { address: '127.0.0.1', family: 4 };
const FORBIDDEN: LookupAddress = { address: '127.0.0.2', family: 4 };
const REFUSED = {
  code: 'ERR_ADDRESS_REFUSED',
  message:
    'hook.test resolves to 127.0.0.2, which is refused: 127.0.0.2 is loopback (127.0.0.0/8), which ALLOWED_PRIVATE_CIDRS does not name',
};

/** A resolver that returns these answers in order, and then repeats the last one. */
function answering(...answers: LookupAddress[][]): ResolveAll {
  return (_hostname, _options, callback) => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    setImmediate(() => callback(null, answer ?? []));
  };
}

describe('a checked lookup', () => {
  let server: Server;
  let port: number;
  let connections: number;
  let agent: Agent;

  beforeEach(async () => {
    connections = 0;
    server = createServer((_request, response) => response.end('hello'));
    server.on('connection', () => connections++);
    // The server listens on all addresses of the machine, so that only the lookup can prevent a connection.
    await once(server.listen(0, '0.0.0.0'), 'listening');
    port = (server.address() as AddressInfo).port;
  });

  afterEach(async () => {
    await agent?.destroy();
    server.closeAllConnections();
    server.close();
  });

  async function get(lookup: LookupFunction, options: { autoSelectFamily?: boolean } = {}): Promise<number> {
    agent = new Agent({ connect: { lookup, ...options }, keepAliveMaxTimeout: 1, keepAliveTimeout: 1 });
    const { statusCode, body } = await agent.request({
      origin: `http://hook.test:${port}`,
      path: '/',
      method: 'GET',
    });
    await body.dump();
    return statusCode;
  }

  const errorOf = (attempt: Promise<unknown>) =>
    attempt.then(
      () => null,
      (error: unknown) => error,
    );

  it('connects to the address that was checked', async () => {
    expect(await get(checkedLookup(rules, answering([ALLOWED])))).toBe(200);
  });

  it('connects to one address if a socket asks for one', async () => {
    expect(await get(checkedLookup(rules, answering([ALLOWED])), { autoSelectFamily: false })).toBe(200);
  });

  it('returns all addresses if a socket asks for all', async () => {
    const unreachable: LookupAddress = { address: '::1', family: 6 };
    expect(
      await get(checkedLookup(rules, answering([unreachable, ALLOWED])), { autoSelectFamily: true }),
    ).toBe(200);
  });

  it.each([
    ['the only one', [FORBIDDEN]],
    ['the first', [FORBIDDEN, ALLOWED]],
    ['the last', [ALLOWED, FORBIDDEN]],
  ])('refuses a name if %s of its addresses is refused', async (_, addresses) => {
    expect(await errorOf(get(checkedLookup(rules, answering(addresses))))).toMatchObject(REFUSED);
  });

  it('refuses a name with a refused address also if a socket asks for one address', async () => {
    const lookup = checkedLookup(rules, answering([ALLOWED, FORBIDDEN]));
    expect(await errorOf(get(lookup, { autoSelectFamily: false }))).toMatchObject(REFUSED);
  });

  it('makes no connection if it refuses a name', async () => {
    await errorOf(get(checkedLookup(rules, answering([ALLOWED, FORBIDDEN]))));
    expect(connections).toBe(0);
  });

  it('connects to the checked address even if DNS changes its answer after the check', async () => {
    expect(await get(checkedLookup(rules, answering([ALLOWED], [FORBIDDEN])))).toBe(200);
  });

  it('checks a name again for the next connection', async () => {
    const lookup = checkedLookup(rules, answering([ALLOWED], [FORBIDDEN]));
    await get(lookup);
    await agent.destroy();
    expect(await errorOf(get(lookup))).toMatchObject(REFUSED);
  });

  it('fails with the error of the resolver', async () => {
    const failure = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const lookup = checkedLookup(rules, (_hostname, _options, callback) => callback(failure, []));
    expect(await errorOf(get(lookup))).toBe(failure);
  });

  it('fails with ENOTFOUND if a name has no address', async () => {
    expect(await errorOf(get(checkedLookup(rules, answering([]))))).toMatchObject({ code: 'ENOTFOUND' });
  });

  it('asks the resolver for all addresses of the family that the socket wants', async () => {
    let asked: unknown;
    const lookup = checkedLookup(rules, (hostname, options, callback) => {
      asked = { hostname, family: options.family, all: options.all };
      callback(null, [ALLOWED]);
    });
    const socket = connect({ host: 'hook.test', port, lookup, family: 4, autoSelectFamily: false });
    await once(socket, 'connect');
    socket.destroy();
    expect(asked).toEqual({ hostname: 'hook.test', family: 4, all: true });
  });

  it('refuses a name for a TLS socket, too', async () => {
    const lookup = checkedLookup(rules, answering([FORBIDDEN]));
    const socket = connectTls({ host: 'hook.test', port, lookup });
    const [error] = await once(socket, 'error').catch((thrown: unknown) => [thrown]);
    expect(error).toMatchObject(REFUSED);
    expect(connections).toBe(0);
  });
});
