import type { LookupAddress, LookupOptions } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { createNameResolver } from '../../src/http/resolve-name.ts';
import { fileOf } from './endpoints.ts';

type Answers = { readonly [name: string]: string[] | string };

/** An answer is a list of addresses or an error code. */
function answerOf(answers: Answers, name: string): [NodeJS.ErrnoException | null, string[]] {
  const answer = answers[name] ?? 'ENOTFOUND';
  if (typeof answer !== 'string') return [null, answer];
  return [Object.assign(new Error(`${answer} ${name}`), { code: answer }), []];
}

const SYSTEM: LookupAddress[] = [{ address: '192.0.2.1', family: 4 }];

function resolverOf(dns: { v4?: Answers; v6?: Answers }, hosts = '') {
  const askedSystem: string[] = [];
  const resolve = createNameResolver({
    dns: () =>
      ({
        resolve4: (name: string, done: (...answer: ReturnType<typeof answerOf>) => void) =>
          done(...answerOf(dns.v4 ?? {}, name)),
        resolve6: (name: string, done: (...answer: ReturnType<typeof answerOf>) => void) =>
          done(...answerOf(dns.v6 ?? {}, name)),
      }) as never,
    system: (name, _options, callback) => {
      askedSystem.push(name);
      callback(null, SYSTEM);
    },
    hostsFile: fileOf(hosts),
    // Without this file, only the system completes names. `search-list.test.ts` tests the search list.
    resolvConf: '/nowhere/resolv.conf',
  });
  const options: LookupOptions & { all: true } = { all: true };
  const addressesOf = (name: string) =>
    new Promise<LookupAddress[]>((done, fail) =>
      resolve(name, options, (error, addresses) => (error ? fail(error) : done(addresses))),
    );
  return { addressesOf, askedSystem };
}

describe('the name of a host', () => {
  it('resolves to its addresses of both families, IPv4 first', async () => {
    const { addressesOf, askedSystem } = resolverOf({
      v4: { 'hook.test': ['198.51.100.1', '198.51.100.2'] },
      v6: { 'hook.test': ['2001:db8::1'] },
    });
    expect(await addressesOf('hook.test')).toEqual([
      { address: '198.51.100.1', family: 4 },
      { address: '198.51.100.2', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ]);
    expect(askedSystem).toEqual([]);
  });

  it('resolves to the addresses of one family if the other has none or times out', async () => {
    const { addressesOf } = resolverOf({
      v4: { 'four.test': ['198.51.100.1'], 'six.test': 'ENODATA' },
      v6: { 'four.test': 'ETIMEOUT', 'six.test': ['2001:db8::1'] },
    });
    expect(await addressesOf('four.test')).toEqual([{ address: '198.51.100.1', family: 4 }]);
    expect(await addressesOf('six.test')).toEqual([{ address: '2001:db8::1', family: 6 }]);
  });

  it.each([
    'ETIMEOUT',
    'ESERVFAIL',
    'ENODATA',
  ])('fails with the error %s of DNS, without asking the operating system, which would hold a thread', async (code) => {
    const { addressesOf, askedSystem } = resolverOf({ v4: { 'hook.test': code }, v6: { 'hook.test': code } });
    await expect(addressesOf('hook.test')).rejects.toMatchObject({ code });
    expect(askedSystem).toEqual([]);
  });
});

describe('the operating system resolves a name', () => {
  it('that DNS does not know, since a search list may complete it', async () => {
    const { addressesOf, askedSystem } = resolverOf({});
    expect(await addressesOf('receiver.default')).toEqual(SYSTEM);
    expect(askedSystem).toEqual(['receiver.default']);
  });

  it('without a dot if there is no resolv.conf', async () => {
    const { addressesOf } = resolverOf({ v4: { receiver: ['198.51.100.1'] } });
    expect(await addressesOf('receiver')).toEqual(SYSTEM);
  });

  it.each([
    'hook.test',
    'HOOK.test',
    'hook.test.',
  ])('in /etc/hosts, which wins over DNS: %s', async (name) => {
    const hosts = '127.0.0.1 localhost # other.test\n192.0.2.1\tfirst.test hook.test\n';
    const { addressesOf } = resolverOf({ v4: { [name]: ['198.51.100.1'] } }, hosts);
    expect(await addressesOf(name)).toEqual(SYSTEM);
  });

  it('in /etc/hosts only if it is not in a comment', async () => {
    const { addressesOf, askedSystem } = resolverOf(
      { v4: { 'hook.test': ['198.51.100.1'] } },
      '# 1.2.3.4 hook.test',
    );
    await addressesOf('hook.test');
    expect(askedSystem).toEqual([]);
  });
});
