import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { deadLetterOf, type Environment, openScene, type Scene } from './scene.ts';

const STUB_DNS = fileURLToPath(new URL('stub-dns.mjs', import.meta.url));

/** Starts an endpoint on every address of this machine. `connections` has the address of each connection. */
async function startOnAllAddresses() {
  const connections: string[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url!);
    response.setHeader('connection', 'close');
    response.end();
  });
  server.on('connection', (socket) => connections.push(socket.localAddress!));
  await once(server.listen(0, '0.0.0.0'), 'listening');
  cleanUpAfter(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, connections, requests };
}

/** Starts a worker that looks up host names in this table. */
function startWorker(scene: Scene, names: Record<string, string[][]>, env: Environment) {
  return scene.startWorker({
    NODE_OPTIONS: `--import=${STUB_DNS}`,
    STUB_DNS: JSON.stringify(names),
    MAX_ATTEMPTS: '1',
    ...env,
  });
}

/** An address that no test may ever dial. */
const PUBLIC = '93.184.215.14';

const NAMES = {
  'loopback.test': [['127.0.0.1']],
  'private.test': [['10.0.0.1']],
  'v6.test': [['::1']],
  'mapped.test': [['::ffff:127.0.0.1']],
  'nat64.test': [['64:ff9b::127.0.0.1']],
  'good-then-bad.test': [[PUBLIC, '127.0.0.1']],
  'bad-then-good.test': [['127.0.0.1', PUBLIC]],
  'v6-and-v4.test': [['2606:4700::1111', '127.0.0.1']],
};

const FORBIDDEN = [
  '127.0.0.1',
  '127.0.0.1.',
  '127.1',
  '127.0.1',
  '0x7f.0.0.1',
  '0X7F.1',
  '0x7f000001',
  '0177.0.0.1',
  '017700000001',
  '2130706433',
  '0',
  '0.0.0.0',
  '%31%32%37.0.0.1',
  '127%2e0%2e0%2e1',
  '１２７.０.０.１',
  '127。0。0。1',
  '①②⑦.⓪.⓪.①',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:FF9B::7F00:1]',
  '[2002:7f00:1::]',
  'localhost',
  'LOCALHOST.',
  'app.localhost',
  'ｌｏｃａｌｈｏｓｔ',
  'user:secret@127.0.0.1',
  ...Object.keys(NAMES),
];

describe('without ALLOWED_PRIVATE_CIDRS, a worker', () => {
  it(`forbids ${FORBIDDEN.length} spellings and names of this machine, and connects to none of them`, async () => {
    const [scene, endpoint] = [await openScene(), await startOnAllAddresses()];
    await startWorker(scene, NAMES, { ALLOWED_PRIVATE_CIDRS: '' });
    const publish = (host: string) => scene.publish({ webhook_url: `http://${host}:${endpoint.port}/hook` });
    const sequences = await Promise.all(FORBIDDEN.map(publish));
    for (const [index, sequence] of sequences.entries()) {
      const { header } = await deadLetterOf(scene, sequence);
      expect(header.get('Webhook-Dead-Letter-Reason'), FORBIDDEN[index]).toBe('forbidden');
    }
    expect(endpoint.connections).toEqual([]);
  });
});

describe('with ALLOWED_PRIVATE_CIDRS=127.0.0.1, a worker', () => {
  const ALLOWED = { ALLOWED_PRIVATE_CIDRS: '127.0.0.1' };

  it('reaches this address in every spelling, and by a host name', async () => {
    const [scene, endpoint] = [await openScene(), await startOnAllAddresses()];
    await startWorker(scene, NAMES, ALLOWED);
    const hosts = [
      '127.0.0.1',
      '127.1',
      '0x7f000001',
      '2130706433',
      '１２７.０.０.１',
      'loopback.test',
      'mapped.test',
    ];
    for (const host of hosts) await scene.publish({ webhook_url: `http://${host}:${endpoint.port}/${host}` });
    await until(() => endpoint.requests.length === hosts.length);
    expect(new Set(endpoint.connections)).toEqual(new Set(['127.0.0.1']));
  });

  it('connects to the checked address even if the name resolves to another one meanwhile, and forbids the name afterwards', async () => {
    const [scene, endpoint] = [await openScene(), await startOnAllAddresses()];
    await startWorker(scene, { 'rebinding.test': [['127.0.0.1'], ['127.0.0.2']] }, ALLOWED);
    const publish = () => scene.publish({ webhook_url: `http://rebinding.test:${endpoint.port}/` });
    await publish();
    await until(() => endpoint.requests.length === 1);
    const { header } = await deadLetterOf(scene, await publish());
    expect(header.get('Webhook-Dead-Letter-Reason')).toBe('forbidden');
    expect(header.get('Webhook-Dead-Letter-Detail')).toContain(
      'rebinding.test resolves to 127.0.0.2, which is refused',
    );
    expect(endpoint.connections).toEqual(['127.0.0.1']);
  });

  it('forbids a port outside ALLOWED_PORTS, and reaches a port inside', async () => {
    const [scene, open, closed] = [
      await openScene(),
      await startOnAllAddresses(),
      await startOnAllAddresses(),
    ];
    await startWorker(scene, NAMES, { ...ALLOWED, ALLOWED_PORTS: `443, ${open.port}` });
    const forbidden = ['127.0.0.1', 'loopback.test'].map((host) =>
      scene.publish({ webhook_url: `http://${host}:${closed.port}/` }),
    );
    await scene.publish({ webhook_url: `http://127.0.0.1:${open.port}/` });
    for (const sequence of await Promise.all(forbidden)) {
      const { header } = await deadLetterOf(scene, sequence);
      expect(header.get('Webhook-Dead-Letter-Reason')).toBe('forbidden');
      expect(header.get('Webhook-Dead-Letter-Detail')).toBe(`port ${closed.port} is not in ALLOWED_PORTS`);
    }
    await until(() => open.requests.length === 1);
    expect(closed.connections).toEqual([]);
  });
});
