import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credsAuthenticator, nkeys } from 'nats';
import { describe, expect, it } from 'vitest';
import { makeOperator } from '../nats/connection/jwt.ts';
import { startLink } from '../nats/connection/link.ts';
import { makeAuthority } from '../support/certificates.ts';
import { temporaryFolder } from '../support/clean-up.ts';
import { runProgram } from '../support/program.ts';
import { createTestDatabase, startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { type Environment, openScene, startEndpoint } from './scene.ts';

const SEED = text(nkeys.createUser().getSeed());
const PUBLIC_KEY = nkeys.fromSeed(Buffer.from(SEED)).getPublicKey();

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function fileWith(content: string, name: string): Promise<string> {
  const file = join(await temporaryFolder(), name);
  await writeFile(file, content);
  return file;
}

/** @param login The login of the test itself. */
async function sceneWith(config: string, login: object = {}) {
  const nats = await startTestNats({ config });
  const [scene, endpoint] = [await openScene({ nats, login }), await startEndpoint()];
  return {
    scene,
    async delivers(env: Environment) {
      const worker = await scene.startWorker(env);
      const before = endpoint.requests.length;
      await scene.publish({ webhook_url: endpoint.url });
      await until(() => endpoint.requests.length === before + 1);
      return worker;
    },
  };
}

/** Resolves to the output of a worker that ends because of its login. */
async function outputOfRefused(url: string, env: Environment): Promise<string> {
  const DATABASE_URL = (await createTestDatabase()).url;
  const worker = await runProgram(['worker'], {
    env: { NATS_URL: url, DATABASE_URL, HTTP_PORT: '0', ...env },
  });
  expect(await worker.waitForExit()).toEqual({ code: 1, signal: null });
  return [...worker.stdout, ...worker.stderr].join('\n');
}

describe('a worker logs in', () => {
  it('with NATS_TOKEN', async () => {
    const { delivers, scene } = await sceneWith('authorization { token: "t0ken" }', { token: 't0ken' });
    await delivers({ NATS_TOKEN: 't0ken' });
    const output = await outputOfRefused(scene.nats.url, { NATS_TOKEN: 'wr0ng' });
    expect(output).toMatch(/refuses the token: check NATS_TOKEN/);
    expect(output).not.toContain('wr0ng');
  });

  it('with NATS_USER and NATS_PASS', async () => {
    const login = { user: 'ann', pass: 'p@ss:1234' };
    const { delivers } = await sceneWith('authorization { user: ann, password: "p@ss:1234" }', login);
    await delivers({ NATS_USER: login.user, NATS_PASS: login.pass });
  });

  it('with NATS_NKEY, which is a seed or the path of a file with the seed', async () => {
    const users = `authorization { users: [{ nkey: ${PUBLIC_KEY} }, { user: ann, password: x }] }`;
    const { delivers, scene } = await sceneWith(users, { user: 'ann', pass: 'x' });
    await delivers({ NATS_NKEY: SEED });
    await delivers({ NATS_NKEY: await fileWith(`${SEED}\n`, 'user.nk') });
    const other = text(nkeys.createUser().getSeed());
    const output = await outputOfRefused(scene.nats.url, { NATS_NKEY: other });
    expect(output).toMatch(/refuses the NKey seed: check NATS_NKEY/);
    expect(output).not.toContain(other);
  });

  it('with NATS_CREDS, and with renewed credentials while it runs', async () => {
    const operator = makeOperator();
    const own = Buffer.from(operator.credentials());
    const { delivers, scene } = await sceneWith(operator.config, { authenticator: credsAuthenticator(own) });
    const link = await startLink(scene.nats.port);
    const file = await fileWith(operator.credentials(), 'user.creds');
    const worker = await delivers({ NATS_URL: link.url, NATS_CREDS: file });
    // A running worker uses them within a second. A starting worker on a busy machine might use them after they expire.
    await writeFile(file, operator.credentials(Date.now() + 6000));
    link.cut();
    // The server closes the connection when the credentials expire.
    await worker.waitForLine(
      /NATS refuses our login now \(AUTHENTICATION_EXPIRED\).*check the file that NATS_CREDS names/,
    );
    const reconnects = () => worker.stdout.filter((line) => line.includes('nats.reconnected')).length;
    const before = reconnects();
    await writeFile(file, operator.credentials());
    await until(() => reconnects() > before);
  });

  it('neither with credentials of another operator nor with expired ones', async () => {
    const operator = makeOperator();
    const nats = await startTestNats({ config: operator.config });
    const other = await fileWith(makeOperator().credentials(), 'other.creds');
    expect(await outputOfRefused(nats.url, { NATS_CREDS: other })).toMatch(
      /refuses the credentials file .*other\.creds: check the file that NATS_CREDS names/,
    );
    const past = await fileWith(operator.credentials(Date.now() - 5000), 'past.creds');
    expect(await outputOfRefused(nats.url, { NATS_CREDS: past })).toMatch(
      /refuses .*past\.creds.*may have expired/,
    );
  });

  it('over TLS with NATS_TLS_CA, NATS_TLS_CERT and NATS_TLS_KEY', async () => {
    const { caFile, sign } = await makeAuthority();
    const [server, { certFile, keyFile }] = [await sign('nats', ['127.0.0.1']), await sign('worker')];
    const { delivers } = await sceneWith(
      `tls { cert_file: "${server.certFile}", key_file: "${server.keyFile}", ca_file: "${caFile}", verify: true }`,
      { tls: { caFile, certFile, keyFile, checkServerIdentity: () => undefined } },
    );
    await delivers({ NATS_TLS_CA: caFile, NATS_TLS_CERT: certFile, NATS_TLS_KEY: keyFile });
  });

  it('at the first server of NATS_URL that answers', async () => {
    const { delivers, scene } = await sceneWith('');
    await delivers({ NATS_URL: `nats://127.0.0.1:1,${scene.nats.url},nats://127.0.0.1:2` });
  });
});

describe('a worker whose login cannot be read', () => {
  const NOWHERE = 'nats://127.0.0.1:1';

  it('ends at once, names the setting and the path, and shows nothing of the contents', async () => {
    const file = await fileWith('hunter2hunter2', 'user.creds');
    const output = await Promise.all([
      outputOfRefused(NOWHERE, { NATS_CREDS: '/no/such.creds' }),
      outputOfRefused(NOWHERE, { NATS_CREDS: file }),
      outputOfRefused(NOWHERE, { NATS_NKEY: `${SEED}x` }),
      outputOfRefused(NOWHERE, { NATS_TLS_CA: file }),
    ]);
    expect(output).toEqual([
      expect.stringMatching(/NATS_CREDS: \/no\/such\.creds cannot be read \(ENOENT\)/),
      expect.stringMatching(/NATS_CREDS: the credentials file .*user\.creds is not valid/),
      expect.stringMatching(/NATS_NKEY: the NKey seed is not valid/),
      expect.stringMatching(/NATS_TLS_CA: .*user\.creds holds no certificate/),
    ]);
    expect(output.join()).not.toContain('hunter2');
    expect(output.join()).not.toContain(SEED);
  });
});

describe.concurrent('a worker that exceeds a limit', () => {
  it('on the connections of the server waits, and logs the reason', async () => {
    const nats = await startTestNats({ config: 'max_connections: 1' });
    // The test itself holds the only connection.
    const { env } = await openScene({ nats });
    const worker = await runProgram(['worker'], { env });
    await worker.waitForLine(/cannot be reached yet \(maximum connections exceeded\)/);
  });

  it('on the connections of its account waits, and logs the possible reason', async () => {
    const operator = makeOperator({ connections: 1 });
    const nats = await startTestNats({ config: operator.config });
    const authenticator = credsAuthenticator(Buffer.from(operator.credentials()));
    const { env } = await openScene({ nats, login: { authenticator } });
    const NATS_CREDS = await fileWith(operator.credentials(), 'user.creds');
    const worker = await runProgram(['worker'], { env: { ...env, NATS_CREDS } });
    await worker.waitForLine(/cannot be reached yet \(.*may our account open one more connection\?\)/);
  });

  it('on the streams of its account ends, and says how to raise the limit', async () => {
    const nats = await startTestNats({
      config:
        'accounts { A { jetstream { max_streams: 1, max_file: 10M }, users: [{ user: ann, password: x }] } }',
    });
    expect(await outputOfRefused(nats.url, { NATS_USER: 'ann', NATS_PASS: 'x' })).toMatch(
      /NATS refuses to make the stream WEBHOOKS_DLQ.*maximum number of streams reached.*raise max_streams of the account/,
    );
  });
});
