import { expect, onTestFinished, test } from 'vitest';
import { startNatsServer } from '../../../src/embedded/nats/server.ts';
import { freePort } from '../../../src/embedded/process/ports.ts';
import { connectToNats } from '../../../src/nats/connection/connection.ts';
import { temporaryFolder } from '../../support/clean-up.ts';
import { startTestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { connectTo, failure, recordedLog, refusal, startGreeter, startWithoutJetStream } from '../servers.ts';

const WITH_USER = 'authorization { user: ann, password: "p@ss:1234" }';
const WITH_TOKEN = 'authorization { token: "t0ken" }';

/** The first line that a server of this version sends. */
function greeting(version: string): string {
  const info = { server_id: 'X', version, proto: 1, headers: true, max_payload: 1_048_576, jetstream: true };
  return `INFO ${JSON.stringify(info)}\r\n`;
}

test('a NATS server that is away at the start is logged and waited for, and the client connects when it is there', async () => {
  const port = await freePort();
  const log = recordedLog();
  const connecting = connectTo(`nats://127.0.0.1:${port}`, { log });
  await until(() => log.events.length > 0);
  expect(log.events[0]).toMatchObject({
    level: 'warn',
    msg: 'nats.unreachable',
    error: 'nothing listens there',
    hint: expect.stringContaining('cannot be reached yet (nothing listens there)'),
  });
  await startTestNats({ port });
  const client = await connecting;
  expect(client.isConnected()).toBe(true);
});

test('the wait for a server that is away ends with the signal', async () => {
  const stop = new AbortController();
  const log = recordedLog();
  const servers = [`127.0.0.1:${await freePort()}`];
  const connecting = failure(connectToNats({ servers, name: 'test', log, signal: stop.signal }));
  await until(() => log.events.length > 0);
  stop.abort(new Error('stopped'));
  expect((await connecting).message).toBe('stopped');
});

test('the wait for a server that accepts the connection and sends nothing ends with the signal', async () => {
  const stop = new AbortController();
  const { url } = await startGreeter('');
  const connecting = failure(
    connectToNats({ servers: [url], name: 'test', log: recordedLog(), signal: stop.signal }),
  );
  stop.abort(new Error('stopped'));
  expect((await connecting).message).toBe('stopped');
});

test('a wrong password is an error at once that names the settings and the user, but not the password', async () => {
  const { url } = await startTestNats({ config: WITH_USER });
  const message = await refusal(connectTo(url, { user: 'ann', pass: 'wr0ng' }));
  expect(message).toMatch(/refuses user "ann": check NATS_USER and NATS_PASS/);
  expect(message).not.toContain('wr0ng');
});

test('a missing login is an error at once that names the settings', async () => {
  const { url } = await startTestNats({ config: WITH_USER });
  const message = await refusal(connectTo(url));
  expect(message).toMatch(/asks for a login.*NATS_USER and NATS_PASS/);
});

test('user and password log in', async () => {
  const { url } = await startTestNats({ config: WITH_USER });
  expect((await connectTo(url, { user: 'ann', pass: 'p@ss:1234' })).isConnected()).toBe(true);
});

test('user and password in the URL log in', async () => {
  const { port } = await startTestNats({ config: WITH_USER });
  expect((await connectTo(`nats://ann:p%40ss:1234@127.0.0.1:${port}`)).isConnected()).toBe(true);
});

test('a token in the URL logs in', async () => {
  const { port } = await startTestNats({ config: WITH_TOKEN });
  expect((await connectTo(`nats://t0ken@127.0.0.1:${port}`)).isConnected()).toBe(true);
});

test('an error about the URL does not show its password', async () => {
  const { port } = await startTestNats({ config: WITH_USER });
  const message = await refusal(connectTo(`nats://ann:wr0ng@127.0.0.1:${port}`));
  expect(message).not.toContain('wr0ng');
});

test('a server older than 2.10.4 is refused, with its version and the cure', async () => {
  const { url } = await startGreeter(greeting('2.10.3'));
  const message = await refusal(connectTo(url));
  expect(message).toMatch(/nats-server 2\.10\.3; 2\.10\.4 or newer is needed\. Update nats-server/);
});

test('a server that comes back with a version that is too old ends the connection, with the reason', async () => {
  const { url, port, kill } = await startTestNats();
  const client = await connectTo(url);
  await kill();
  await startGreeter(greeting('2.9.25'), port);
  expect((await client.closed)?.message).toMatch(/nats-server 2\.9\.25/);
});

test('a server that is not NATS is an error at once', async () => {
  const { url } = await startGreeter('220 mail.example.com ESMTP\r\n');
  const message = await refusal(connectTo(url));
  expect(message).toMatch(/not as a NATS server does.*Check host and port in NATS_URL/);
});

test('a server without TLS is an error at once if the URL demands TLS', async () => {
  const { port } = await startTestNats();
  const message = await refusal(connectTo(`tls://127.0.0.1:${port}`));
  expect(message).toMatch(/does not speak TLS\. Write nats:\/\/ instead/);
});

test('a server without JetStream is an error at once that contains the cure', async () => {
  const { url } = await startWithoutJetStream();
  const message = await refusal(connectTo(url));
  expect(message).toMatch(/runs without JetStream\. Start nats-server with -js, or with `jetstream \{\}`/);
});

test('an account without JetStream is an error at once that says so', async () => {
  const config = 'accounts { A { users: [{user: ann, password: x}] }, J { jetstream: enabled } }';
  const { url } = await startTestNats({ config });
  const message = await refusal(connectTo(url, { user: 'ann', pass: 'x' }));
  expect(message).toMatch(/our account may not use it/);
});

test('a cluster without a leader is waited for', async () => {
  const log = recordedLog();
  const stop = new AbortController();
  const routes = await freePort();
  const { url } = await startTestNats({
    config: `server_name: n1, cluster { name: c, listen: "127.0.0.1:${routes}", routes: ["nats://127.0.0.1:1", "nats://127.0.0.1:2"] }`,
  });
  const connecting = failure(connectTo(url, { log, signal: stop.signal }));
  await until(() =>
    log.events.some(
      ({ msg, hint }) =>
        msg === 'jetstream.unavailable' && /waits for JetStream .*The cluster has no leader yet/.test(hint!),
    ),
  );
  stop.abort();
  await connecting;
});

test('the client logs a lost connection, and logs that it has reconnected when the server is back', async () => {
  const log = recordedLog();
  const { url, port, kill, restart } = await startTestNats();
  const client = await connectTo(url, { log });
  await kill();
  await until(() => !client.isConnected());
  await restart();
  await until(() => client.isConnected());
  const at = `127.0.0.1:${port}`;
  expect(log.events).toEqual([
    { level: 'info', msg: 'nats.connected', server: at, version: expect.stringMatching(/^\d+\.\d+/) },
    {
      level: 'warn',
      msg: 'nats.disconnected',
      server: at,
      hint: `The connection to NATS at ${at} is lost. The client reconnects until NATS answers.`,
    },
    { level: 'info', msg: 'nats.reconnected', server: at },
  ]);
});

test('the client connects to another server of the list, also to one that was away at the start', async () => {
  const away = await freePort();
  const { url, kill } = await startTestNats();
  const client = await connectTo(url, { servers: [`127.0.0.1:${away}`, url] });
  await startTestNats({ port: away });
  await kill();
  await until(() => client.connection.getServer() === `127.0.0.1:${away}`);
  await until(() => client.isConnected());
});

test('a server that stops answering is noticed', async () => {
  const { url, pid } = await startTestNats();
  const client = await connectTo(url);
  process.kill(pid, 'SIGSTOP');
  try {
    await until(() => !client.isConnected(), { timeoutMs: 50_000 });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});

test('a missing permission is logged with its subject', async () => {
  const log = recordedLog();
  const { url } = await startTestNats({
    config: 'authorization { users: [{user: ann, password: x, permissions: {publish: {deny: "secret.>"}}}] }',
  });
  const client = await connectTo(url, { log, user: 'ann', pass: 'x' });
  client.connection.publish('secret.a');
  await until(() => log.events.some(({ hint }) => hint?.includes('right to publish to "secret.a"')));
  expect(log.events.at(-1)).toMatchObject({
    level: 'error',
    msg: 'nats.permission_denied',
    operation: 'publish',
    subject: 'secret.a',
  });
});

test('the promise `closed` resolves without a reason when we close the client', async () => {
  const { url } = await startTestNats();
  const client = await connectTo(url);
  await client.close();
  expect(await client.closed).toBeUndefined();
});

test('a password that NATS changes later is logged, and the client reconnects when the password is right again', async () => {
  const dataDir = await temporaryFolder();
  const start = (password: string, port: number) => {
    const extraConfig = `authorization { user: ann, password: ${password} }`;
    return startNatsServer({ dataDir, port, extraConfig, env: process.env, log: () => {} });
  };
  const log = recordedLog();
  const first = await start('right', 0);
  const client = await connectTo(first.url, { log, user: 'ann', pass: 'right' });
  await first.stop();
  const second = await start('other', first.port);
  await until(() => log.events.some(({ msg }) => msg === 'nats.login_refused'));
  await second.stop();
  const third = await start('right', first.port);
  onTestFinished(() => third.stop());
  await until(() => client.isConnected());
  expect(log.events.slice(1)).toEqual([
    expect.objectContaining({ msg: 'nats.disconnected' }),
    expect.objectContaining({
      msg: 'nats.login_refused',
      hint: expect.stringContaining('NATS refuses our login now'),
    }),
    expect.objectContaining({ msg: 'nats.reconnected' }),
  ]);
});

test('a server that is about to stop is logged', async () => {
  const log = recordedLog();
  const { url, pid, kill } = await startTestNats();
  await connectTo(url, { log });
  process.kill(pid, 'SIGUSR2');
  await until(() => log.events.some(({ msg }) => msg === 'nats.stopping'));
  await kill();
});

test('requests to JetStream of a domain contain the name of the domain', async () => {
  const { url } = await startTestNats({ config: 'jetstream { domain: hub }' });
  const client = await connectTo(url, { jsDomain: 'hub' });
  expect(client.apiPrefix).toBe('$JS.hub.API');
  expect(await client.manager.streams.names().next()).toEqual([]);
});

test('a JetStream domain without an answer is waited for, and the log names the setting', async () => {
  const log = recordedLog();
  const stop = new AbortController();
  const { url } = await startTestNats({ config: 'jetstream { domain: hub }' });
  const connecting = failure(connectTo(url, { log, jsDomain: 'other', signal: stop.signal }));
  await until(() => log.events.some(({ hint }) => /domain "other".*NATS_JS_DOMAIN/.test(hint ?? '')));
  stop.abort();
  await connecting;
});
