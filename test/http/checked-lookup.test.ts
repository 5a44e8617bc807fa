import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type LookupFunction } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAddressRules } from '../../src/core/endpoint/address.ts';
import { checkedLookup, type ResolveAll } from '../../src/http/checked-lookup.ts';

/** Only this address of the machine is allowed: any other stands for one that is not. */
const rules = createAddressRules({ allowedCidrs: ['127.0.0.1', '::1'] });
const HERE: LookupAddress = { address: '127.0.0.1', family: 4 };
const FORBIDDEN: LookupAddress = { address: '127.0.0.2', family: 4 };
const REFUSAL = {
  code: 'ERR_ADDRESS_REFUSED',
  message:
    'hook.test resolves to 127.0.0.2, which is refused: 127.0.0.2 is loopback (127.0.0.0/8), which ALLOWED_PRIVATE_CIDRS does not name',
};

/** A resolver that gives one answer after the other, and then the last one for ever. */
function answering(...answers: LookupAddress[][]): ResolveAll {
  return (_hostname, _options, callback) => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    setImmediate(() => callback(null, answer ?? []));
  };
}

describe('a lookup that checks', () => {
  let server: Server;
  let port: number;
  let connections: number;
  let agent: Agent;

  beforeEach(async () => {
    connections = 0;
    server = createServer((_request, response) => response.end('hello'));
    server.on('connection', () => connections++);
    // On all addresses of the machine, so that nothing but the lookup keeps a connection away.
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
    expect(await get(checkedLookup(rules, answering([HERE])))).toBe(200);
  });

  it('connects to one address where a socket asks for one', async () => {
    expect(await get(checkedLookup(rules, answering([HERE])), { autoSelectFamily: false })).toBe(200);
  });

  it('gives the socket all addresses to choose from', async () => {
    const deaf: LookupAddress = { address: '::1', family: 6 };
    expect(await get(checkedLookup(rules, answering([deaf, HERE])), { autoSelectFamily: true })).toBe(200);
  });

  it.each([
    ['the only', [FORBIDDEN]],
    ['the first', [FORBIDDEN, HERE]],
    ['the last', [HERE, FORBIDDEN]],
  ])('refuses a name when %s address is refused', async (_, addresses) => {
    expect(await errorOf(get(checkedLookup(rules, answering(addresses))))).toMatchObject(REFUSAL);
  });

  it('refuses it too where a socket asks for one address', async () => {
    const lookup = checkedLookup(rules, answering([HERE, FORBIDDEN]));
    expect(await errorOf(get(lookup, { autoSelectFamily: false }))).toMatchObject(REFUSAL);
  });

  it('makes no connection when it refuses', async () => {
    await errorOf(get(checkedLookup(rules, answering([HERE, FORBIDDEN]))));
    expect(connections).toBe(0);
  });

  it('is not deceived by a name that changes its answer after the check', async () => {
    expect(await get(checkedLookup(rules, answering([HERE], [FORBIDDEN])))).toBe(200);
  });

  it('checks a name again for the next connection', async () => {
    const lookup = checkedLookup(rules, answering([HERE], [FORBIDDEN]));
    await get(lookup);
    await agent.destroy();
    expect(await errorOf(get(lookup))).toMatchObject(REFUSAL);
  });

  it('passes on the failure of the resolver', async () => {
    const failure = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const lookup = checkedLookup(rules, (_hostname, _options, callback) => callback(failure, []));
    expect(await errorOf(get(lookup))).toBe(failure);
  });

  it('takes no address at all for a name that is not found', async () => {
    expect(await errorOf(get(checkedLookup(rules, answering([]))))).toMatchObject({ code: 'ENOTFOUND' });
  });

  it('asks the resolver for all addresses, and passes on what the socket wants of them', async () => {
    let asked: unknown;
    const lookup = checkedLookup(rules, (hostname, options, callback) => {
      asked = { hostname, family: options.family, all: options.all };
      callback(null, [HERE]);
    });
    const socket = connect({ host: 'hook.test', port, lookup, family: 4, autoSelectFamily: false });
    await once(socket, 'connect');
    socket.destroy();
    expect(asked).toEqual({ hostname: 'hook.test', family: 4, all: true });
  });

  it('keeps TLS sockets away as well', async () => {
    const lookup = checkedLookup(rules, answering([FORBIDDEN]));
    const socket = connectTls({ host: 'hook.test', port, lookup });
    const [error] = await once(socket, 'error').catch((thrown: unknown) => [thrown]);
    expect(error).toMatchObject(REFUSAL);
    expect(connections).toBe(0);
  });
});
