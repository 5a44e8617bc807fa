import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { deliveryTo, senderFor, startProxy } from './endpoints.ts';
import { SELF_SIGNED } from './self-signed.ts';

/** A TLS server that records the server name of each handshake. */
async function startNaming() {
  const names: string[] = [];
  const server = createServer({
    ...SELF_SIGNED,
    SNICallback(name, done) {
      names.push(name);
      done(null);
    },
  });
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return { names, port: (server.address() as AddressInfo).port };
}

const HOSTS = ['hook.test', 'hook.test.'];

test.each(HOSTS)('the name in a TLS handshake with %s has no dot at its end', async (host) => {
  const { names, port } = await startNaming();
  const resolved: string[] = [];
  const sender = senderFor({
    resolve: (hostname, _options, callback) => {
      resolved.push(hostname);
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    },
  });
  // The certificate is self-signed, so the handshake fails after the server has received the name.
  expect((await sender.send(deliveryTo(`https://${host}:${port}/`))).outcome.kind).toBe('unreachable');
  expect(names).toEqual(['hook.test']);
  // The name is looked up as it is in the URL, because a dot at its end excludes the search list.
  expect(resolved).toEqual([host]);
});

test.each(
  HOSTS,
)('the name in a TLS handshake with %s through a proxy has no dot at its end', async (host) => {
  const { names, port } = await startNaming();
  const proxy = await startProxy(port);
  const { outcome } = await senderFor({ egressProxy: proxy.url }).send(deliveryTo(`https://${host}:8443/`));
  expect(outcome.kind).toBe('unreachable');
  expect(names).toEqual(['hook.test']);
  expect(proxy.asked).toEqual(['hook.test:8443']);
});
