import { createSocket } from 'node:dgram';
import { type LookupAddress, Resolver } from 'node:dns';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { searchListIn } from '../../src/http/name-files.ts';
import { createNameResolver } from '../../src/http/resolve-name.ts';
import { until } from '../support/wait.ts';
import { fileOf } from './endpoints.ts';

/** The resolv.conf of a pod in Kubernetes. */
const KUBERNETES = `nameserver 10.96.0.10
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
`;

const SYSTEM = '192.0.2.1';

type Files = { readonly conf?: string; readonly hosts?: string };

/** @param records The IPv4 address of each name that DNS knows, or the code of its failure. */
function resolverOf(records: Readonly<Record<string, string>>, { conf = KUBERNETES, hosts = '' }: Files) {
  const asked: string[] = [];
  const askedSystem: string[] = [];
  const [resolvConf, hostsFile] = [fileOf(conf), fileOf(hosts)];
  const settle = (name: string, answer: string, done: (error: unknown, found?: string[]) => void) => {
    if (/^\d/.test(answer)) done(null, [answer]);
    else done(Object.assign(new Error(`${answer} ${name}`), { code: answer }));
  };
  const resolve = createNameResolver({
    dns: () =>
      ({
        resolve4(name: string, done: (error: unknown, found?: string[]) => void) {
          asked.push(name);
          settle(name, records[name] ?? 'ENOTFOUND', done);
        },
        resolve6: (name: string, done: (error: unknown, found?: string[]) => void) =>
          settle(name, records[name] === undefined ? 'ENOTFOUND' : 'ENODATA', done),
      }) as never,
    system: (name, _options, callback) => {
      askedSystem.push(name);
      callback(null, [{ address: SYSTEM, family: 4 }]);
    },
    hostsFile,
    resolvConf,
  });
  return { addressOf: (name: string) => addressBy(resolve, name), asked, askedSystem, resolvConf, hostsFile };
}

function addressBy(resolve: ReturnType<typeof createNameResolver>, name: string): Promise<string> {
  return new Promise((done, fail) =>
    resolve(name, { all: true }, (error, addresses: LookupAddress[]) =>
      error ? fail(error) : done(addresses.map(({ address }) => address).join()),
    ),
  );
}

describe('a name with fewer dots than ndots', () => {
  it('resolves to a service of Kubernetes rather than to a public host of the same name', async () => {
    const { addressOf, asked } = resolverOf(
      { 'receiver.default': '198.51.100.1', 'receiver.default.svc.cluster.local': '10.0.0.1' },
      {},
    );
    expect(await addressOf('receiver.default')).toBe('10.0.0.1');
    expect(asked).toEqual([
      'receiver.default.default.svc.cluster.local',
      'receiver.default.svc.cluster.local',
    ]);
  });

  it('is resolved without the system even if it has no dot', async () => {
    const { addressOf, askedSystem } = resolverOf({ 'receiver.default.svc.cluster.local': '10.0.0.1' }, {});
    expect(await addressOf('receiver')).toBe('10.0.0.1');
    expect(askedSystem).toEqual([]);
  });

  it('is looked up unchanged after the whole search list', async () => {
    const { addressOf, asked } = resolverOf({ 'api.example.com': '198.51.100.1' }, {});
    expect(await addressOf('api.example.com')).toBe('198.51.100.1');
    expect(asked).toEqual([
      'api.example.com.default.svc.cluster.local',
      'api.example.com.svc.cluster.local',
      'api.example.com.cluster.local',
      'api.example.com',
    ]);
  });

  it('is completed with the next domain if a completed name has no address', async () => {
    const { addressOf } = resolverOf(
      { 'receiver.default.svc.cluster.local': 'ENODATA', 'receiver.svc.cluster.local': '10.0.0.2' },
      {},
    );
    expect(await addressOf('receiver')).toBe('10.0.0.2');
  });

  it.each([
    'ESERVFAIL',
    'ETIMEOUT',
  ])('is not looked up further if DNS fails with %s for a completed name, because that name may exist', async (code) => {
    const { addressOf, asked, askedSystem } = resolverOf(
      { 'receiver.default.default.svc.cluster.local': code, 'receiver.default': '198.51.100.1' },
      {},
    );
    await expect(addressOf('receiver.default')).rejects.toMatchObject({ code });
    expect(asked).toEqual(['receiver.default.default.svc.cluster.local']);
    expect(askedSystem).toEqual([]);
  });

  it('is resolved by the system if DNS knows none of the names', async () => {
    const { addressOf, askedSystem } = resolverOf({}, {});
    expect(await addressOf('printer.local')).toBe(SYSTEM);
    expect(askedSystem).toEqual(['printer.local']);
  });

  it('is resolved by the system if DNS refuses connections', async () => {
    const { addressOf, asked } = resolverOf({ 'receiver.default.svc.cluster.local': 'ECONNREFUSED' }, {});
    expect(await addressOf('receiver')).toBe(SYSTEM);
    expect(asked.length).toBe(1);
  });
});

describe('a name with at least ndots dots', () => {
  it('is looked up unchanged first, and then completed', async () => {
    const conf = 'search corp.example\n';
    const { addressOf, asked } = resolverOf({ 'a.b.corp.example': '10.0.0.1' }, { conf });
    expect(await addressOf('a.b')).toBe('10.0.0.1');
    expect(asked).toEqual(['a.b', 'a.b.corp.example']);
  });

  it('resolves to the host of that name if there is one', async () => {
    const records = { 'a.b': '198.51.100.1', 'a.b.corp.example': '10.0.0.1' };
    const { addressOf } = resolverOf(records, { conf: 'search corp.example\n' });
    expect(await addressOf('a.b')).toBe('198.51.100.1');
  });
});

describe('a name that ends in a dot', () => {
  it('is not completed', async () => {
    const records = { 'receiver.default': '198.51.100.1', 'receiver.default.svc.cluster.local': '10.0.0.1' };
    const { addressOf, asked } = resolverOf(records, {});
    expect(await addressOf('receiver.default.')).toBe('198.51.100.1');
    expect(asked).toEqual(['receiver.default']);
  });
});

describe('the hosts file', () => {
  it('wins over the search list', async () => {
    const records = { 'receiver.default.svc.cluster.local': '10.0.0.1' };
    const { addressOf, asked } = resolverOf(records, { hosts: `${SYSTEM} receiver.default receiver\n` });
    expect(await addressOf('receiver')).toBe(SYSTEM);
    expect(await addressOf('Receiver.Default')).toBe(SYSTEM);
    expect(asked).toEqual([]);
  });

  it('is read again after it is changed, deleted or created', async () => {
    const { addressOf, hostsFile } = resolverOf({ 'hook.test': '198.51.100.1' }, { conf: '' });
    expect(await addressOf('hook.test')).toBe('198.51.100.1');
    writeFileSync(hostsFile, `${SYSTEM} hook.test\n`);
    expect(await addressOf('hook.test')).toBe(SYSTEM);
    rmSync(hostsFile);
    expect(await addressOf('hook.test')).toBe('198.51.100.1');
    writeFileSync(hostsFile, `${SYSTEM} hook.test\n`);
    expect(await addressOf('hook.test')).toBe(SYSTEM);
  });
});

describe('resolv.conf', () => {
  it('is read again after it is changed', async () => {
    const records = { 'receiver.one.example': '10.0.0.1', 'receiver.two.example': '10.0.0.2' };
    const { addressOf, resolvConf } = resolverOf(records, { conf: 'search one.example\n' });
    expect(await addressOf('receiver')).toBe('10.0.0.1');
    writeFileSync(resolvConf, 'search two.example\n');
    expect(await addressOf('receiver')).toBe('10.0.0.2');
  });

  it.each<[string, string, string[], number]>([
    ['an empty file', '', [], 1],
    ['a search list', 'search a.example b.example\n', ['a.example', 'b.example'], 1],
    ['tabs, comments and carriage returns', '# x\n;y\nsearch\ta.example # z\r\n', ['a.example'], 1],
    ['a domain', 'domain a.example\n', ['a.example'], 1],
    ['the last line of several', 'search a.example b.example\ndomain c.example\n', ['c.example'], 1],
    ['domains with a dot at the end, and the root', 'search A.example. .\n', ['a.example', ''], 1],
    ['options', 'options timeout:1 ndots:3 rotate\n', [], 3],
    ['ndots above the maximum', 'options ndots:99\n', [], 15],
    ['ndots that are not a number', 'options ndots:x ndots:-1\n', [], 1],
  ])('is read as resolv.conf(5) says: %s', (_what, text, domains, ndots) => {
    expect(searchListIn(text)).toEqual({ domains, ndots });
  });
});

describe('a DNS server that does not answer', () => {
  it('does not delay other names, however many lookups wait for it', async () => {
    let questions = 0;
    const silent = createSocket('udp4', () => questions++);
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const hostsFile = fileOf('127.0.0.1 localhost known.test\n');
    const resolve = createNameResolver({
      dns: () => {
        const resolver = new Resolver({ timeout: 60_000, tries: 1 });
        resolver.setServers([`127.0.0.1:${silent.address().port}`]);
        onTestFinished(() => resolver.cancel());
        return resolver;
      },
      system: (_name, _options, callback) => callback(null, [{ address: SYSTEM, family: 4 }]),
      hostsFile,
      resolvConf: fileOf(KUBERNETES),
    });
    const waiting = Array.from({ length: 20 }, (_, number) => addressBy(resolve, `hook${number}`));
    for (const attempt of waiting) attempt.catch(() => {});
    await until(() => questions >= 40);
    expect(await addressBy(resolve, 'known.test')).toBe(SYSTEM);
  });
});
