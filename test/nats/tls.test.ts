import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { SELF_SIGNED } from '../http/self-signed.ts';
import { temporaryFolder } from '../support/end-of-file.ts';
import { startTestNats } from '../support/servers.ts';
import { connectTo, refusal } from './servers.ts';

let certFile: string;
let server: { readonly port: number };

beforeAll(async () => {
  const folder = await temporaryFolder();
  certFile = join(folder, 'cert.pem');
  const keyFile = join(folder, 'key.pem');
  await Promise.all([writeFile(certFile, SELF_SIGNED.cert), writeFile(keyFile, SELF_SIGNED.key)]);
  server = await startTestNats({ config: `tls { cert_file: "${certFile}", key_file: "${keyFile}" }` });
});

test('a server that demands TLS is connected to with TLS', async () => {
  const client = await connectTo(`tls://localhost:${server.port}`, { tls: { caFile: certFile } });
  expect(client.isConnected()).toBe(true);
});

test('a certificate of an unknown authority is an error at once, with the cure', async () => {
  const message = await refusal(connectTo(`nats://localhost:${server.port}`));
  expect(message).toMatch(/TLS failed \(DEPTH_ZERO_SELF_SIGNED_CERT.*set NODE_EXTRA_CA_CERTS/);
});

test('a file of authorities that is not there is an error at once', async () => {
  const message = await refusal(
    connectTo(`tls://localhost:${server.port}`, { tls: { caFile: '/no/such.pem' } }),
  );
  expect(message).toMatch(/no\/such\.pem doesn't exist/);
});
