import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../src/embedded/process/ports.ts';
import { type Authority, type Certificate, makeAuthority } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/clean-up.ts';
import { startTestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { connectTo, failure, recordedLog, refusal, startByHand } from '../servers.ts';

let authority: Authority;
let server: Certificate;
let client: Certificate;

beforeAll(async () => {
  authority = await makeAuthority();
  server = await authority.sign('nats', ['localhost', '127.0.0.1']);
  client = await authority.sign('worker');
});

/** A server with this certificate. `more` is added to its `tls` block. */
const start = (certificate: Certificate, more = '') =>
  startTestNats({
    config: `tls { cert_file: "${certificate.certFile}", key_file: "${certificate.keyFile}", ${more} }`,
  });

const ours = () => ({ caFile: authority.caFile });

describe('a server that demands TLS', () => {
  test.each([
    'tls://localhost',
    'nats://localhost',
    'tls://127.0.0.1',
    'nats://127.0.0.1',
  ])('accepts a connection to %s with the authority of NATS_TLS_CA', async (host) => {
    const { port } = await start(server);
    expect((await connectTo(`${host}:${port}`, { tls: ours() })).isConnected()).toBe(true);
  });

  test('is refused if another authority signed its certificate, and the error names the setting', async () => {
    const { port } = await start(server);
    const other = await makeAuthority();
    const tls = { caFile: other.caFile };
    for (const options of [{}, { tls }]) {
      const message = await refusal(connectTo(`tls://localhost:${port}`, options));
      expect(message).toMatch(/TLS failed \((UNABLE_TO|SELF_SIGNED|ERR_|CERT_).*Set NATS_TLS_CA to the file/);
    }
  });

  test.each([
    'localhost',
    '127.0.0.1',
  ])('with a certificate for another host is refused at %s', async (host) => {
    const { port } = await start(await authority.sign('nats', ['other.example', '127.0.0.9']));
    const message = await refusal(connectTo(`tls://${host}:${port}`, { tls: ours() }));
    expect(message).toMatch(
      /ERR_TLS_CERT_ALTNAME_INVALID.*NATS_URL must name the host that the certificate is for/,
    );
  });

  test('with an expired certificate is refused', async () => {
    const { port } = await start(await authority.sign('nats', ['localhost'], { expired: true }));
    const message = await refusal(connectTo(`tls://localhost:${port}`, { tls: ours() }));
    expect(message).toMatch(/CERT_HAS_EXPIRED.*Renew the certificate of nats-server/);
  });
});

// Only Linux answers at more than one loopback address without a change of its settings.
describe.runIf(process.platform === 'linux')(
  'a cluster whose servers have certificates for their IP addresses',
  () => {
    test('stays connected when the server of NATS_URL is killed', async () => {
      const routes = [await freePort(), await freePort()];
      const [first, second] = await Promise.all(
        ['127.0.0.1', '127.0.0.2'].map(async (host, index) => {
          const { certFile, keyFile } = await authority.sign('nats', [host]);
          return startByHand(
            `server_name: n${index}, jetstream {}, tls { cert_file: "${certFile}", key_file: "${keyFile}" }
           cluster { name: c, listen: "127.0.0.1:${routes[index]}", routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`)}] }`,
            host,
          );
        }),
      );
      const client = await connectTo(first!.url, { tls: ours() });
      await until(() => client.connection.info?.connect_urls?.includes(`127.0.0.2:${second!.port}`));
      first!.kill();
      await until(
        () => client.isConnected() && client.connection.getServer() === `127.0.0.2:${second!.port}`,
      );
    });
  },
);

describe('a server that asks for our certificate', () => {
  const asking = () => start(server, `verify: true, ca_file: "${authority.caFile}"`);

  test('gets the certificate of NATS_TLS_CERT', async () => {
    const { port } = await asking();
    const tls = { ...ours(), ...client };
    expect((await connectTo(`tls://localhost:${port}`, { tls })).isConnected()).toBe(true);
  });

  test('is waited for, and the log names the settings, if it gets no certificate or one of another authority', async () => {
    const { port } = await asking();
    const log = recordedLog();
    const stop = new AbortController();
    const foreign = await (await makeAuthority()).sign('worker');
    const connecting = [{}, foreign].map((files) =>
      failure(
        connectTo(`tls://localhost:${port}`, { tls: { ...ours(), ...files }, log, signal: stop.signal }),
      ),
    );
    await until(() => log.events.filter(({ hint }) => hint?.includes('check NATS_TLS_CERT')).length === 2);
    stop.abort();
    await Promise.all(connecting);
  });
});

describe('a server with handshake_first', () => {
  const startTlsFirst = () =>
    startByHand(
      `jetstream {}, tls { cert_file: "${server.certFile}", key_file: "${server.keyFile}", handshake_first: true }`,
    );

  test.each(['localhost', '127.0.0.1'])('accepts a connection to %s with NATS_TLS_FIRST', async (host) => {
    const { port } = await startTlsFirst();
    const tls = { ...ours(), first: true };
    expect((await connectTo(`tls://${host}:${port}`, { tls })).isConnected()).toBe(true);
  });

  test('is waited for without NATS_TLS_FIRST, and the log names the setting', async () => {
    const { port } = await startTlsFirst();
    const log = recordedLog();
    const stop = new AbortController();
    const connecting = failure(
      connectTo(`tls://localhost:${port}`, { tls: ours(), log, signal: stop.signal }),
    );
    await until(() => log.events.some(({ hint }) => hint?.includes('NATS_TLS_FIRST=true')));
    stop.abort();
    await connecting;
  });
});

describe('before the first connection', () => {
  const tls = (files: object) => refusal(connectTo('tls://127.0.0.1:1', { tls: files }));

  test('a file that does not exist is refused, with its setting', async () => {
    expect(await tls({ caFile: '/no/such.pem' })).toBe('NATS_TLS_CA: /no/such.pem cannot be read (ENOENT).');
  });

  test('a file with other content is refused, and its content is not shown', async () => {
    const file = join(await temporaryFolder(), 'some.pem');
    await writeFile(file, 'hunter2');
    expect(await tls({ caFile: file })).toBe(`NATS_TLS_CA: ${file} holds no certificate in PEM form.`);
    expect(await tls({ ...client, certFile: file })).toMatch(/^NATS_TLS_CERT: .* holds no certificate/);
    expect(await tls({ ...client, keyFile: file })).toMatch(/^NATS_TLS_KEY: .* is not the key of/);
  });

  test('a key of another certificate is refused', async () => {
    expect(await tls({ ...client, keyFile: server.keyFile })).toMatch(/^NATS_TLS_KEY: .* is not the key of/);
  });
});
