import { once } from 'node:events';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createAddressRules } from '../../src/core/endpoint/address.ts';
import type { Delivery } from '../../src/core/message/delivery.ts';
import type { Outcome } from '../../src/core/retry/attempt.ts';
import { runCommand } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { closedPort, deliveryTo, senderFor, startHttp, startTcp } from './endpoints.ts';

/**
 * The outcome of an attempt of 200 ms whose endpoint received the request. The clock stands still until then: a busy machine may
 * need longer than 200 ms to dial, and the attempt would end before the request is sent.
 */
async function outcomeAfter200Ms(reached: () => boolean, delivery: Delivery): Promise<Outcome> {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const attempt = senderFor({ attemptTimeoutMs: 200 }).send(delivery);
  await until(reached);
  vi.advanceTimersByTime(200);
  return (await attempt).outcome;
}

const TIMED_OUT = { kind: 'timedOut', phase: 'response', afterMs: 200 };

/** The size of the heap after a garbage collection. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

/** A listener with a full accept queue: a dial to it hangs. */
async function startFullListener(): Promise<{ url: string }> {
  const program = await runCommand(process.execPath, [
    '-e',
    `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       require('node:fs').writeSync(1, 'port ' + server.address().port + '\\n');
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
  ]);
  const port = Number((await program.waitForLine('port')).split(' ')[1]);
  const waiting = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  onTestFinished(() => {
    for (const socket of waiting) socket.destroy();
  });
  await once(waiting[0]!, 'connect');
  return { url: `http://127.0.0.1:${port}/` };
}

test('an attempt ends at its timeout if the endpoint accepts the connection and never answers', async () => {
  let reached = false;
  const { url, open } = await startTcp(() => {
    reached = true;
  });
  expect(await outcomeAfter200Ms(() => reached, deliveryTo(url))).toEqual(TIMED_OUT);
  await until(() => open() === 0);
});

const ANSWERED = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };

test.each([
  ['headers', 'HTTP/1.1 200 OK\r\n', 'x: y\r\n', ANSWERED],
  ['a body', 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n', 'x', ANSWERED],
  ['chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\nx\r\n', ANSWERED],
  ['interim answers', '', 'HTTP/1.1 102 Processing\r\n\r\n', TIMED_OUT],
])('an attempt ends at its timeout if the endpoint sends %s forever, a few bytes at a time', async (_what, first, drop, outcome) => {
  let drops = 0;
  const { url, open } = await startTcp((socket) => {
    socket.write(first);
    const dripping = setInterval(() => socket.write(drop, () => drops++), 10);
    socket.on('close', () => clearInterval(dripping));
  });
  expect(await outcomeAfter200Ms(() => drops >= 10, deliveryTo(url))).toEqual(outcome);
  await until(() => open() === 0);
});

test('an attempt ends at its timeout if the endpoint does not read the request', async () => {
  let reached = false;
  const { url } = await startTcp((socket) => {
    socket.pause();
    reached = true;
  });
  const body = Buffer.alloc(20_000_000);
  expect(await outcomeAfter200Ms(() => reached, deliveryTo(url, { body }))).toEqual(TIMED_OUT);
});

test('a dial that hangs ends at the connect timeout', async () => {
  const { url } = await startFullListener();
  // The attempt timeout is longer than the test, so only the connect timeout can end the dial.
  const sender = senderFor({ connectTimeoutMs: 200, attemptTimeoutMs: 600_000 });
  const { outcome } = await sender.send(deliveryTo(url));
  expect(outcome).toMatchObject({ kind: 'timedOut', phase: 'connect' });
  expect(outcome.kind === 'timedOut' && outcome.afterMs).toBeLessThan(600_000);
});

test('a lookup that hangs ends at the attempt timeout', async () => {
  const sender = senderFor({ attemptTimeoutMs: 200, resolve: () => {} });
  const { outcome } = await sender.send(deliveryTo('http://hook.test/'));
  expect(outcome).toMatchObject({ kind: 'timedOut', phase: 'connect' });
});

test('nothing is sent after the attempt has ended, even if the lookup completes later', async () => {
  let requests = 0;
  const { port } = await startHttp((_request, response) => {
    requests++;
    response.end();
  });
  let completeLookup = () => {};
  const sender = senderFor({
    resolve: (_hostname, _options, callback) => {
      completeLookup = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
    },
  });
  const attempt = sender.send(deliveryTo(`http://late.test:${port}/`));
  sender.abortAll();
  expect((await attempt).outcome).toEqual({ kind: 'aborted' });
  completeLookup();
  // The endpoint would have received a late request before this one.
  const next = sender.send(deliveryTo(`http://127.0.0.1:${port}/`));
  expect((await next).outcome).toMatchObject({ status: 200 });
  expect(requests).toBe(1);
});

test('abortAll ends every attempt: in the lookup, before the answer, and after an interim answer', async () => {
  const silent = await startTcp(() => {});
  const dripping = await startTcp((socket) => socket.write('HTTP/1.1 102 Processing\r\n\r\n'));
  const sender = senderFor({ resolve: () => {} });
  const attempts = ['http://dialing.test/', silent.url, dripping.url].map((url) =>
    sender.send(deliveryTo(url)),
  );
  await until(() => silent.connections() === 1 && dripping.connections() === 1);
  sender.abortAll();
  for (const { outcome } of await Promise.all(attempts)) expect(outcome).toEqual({ kind: 'aborted' });
  await until(() => silent.open() + dripping.open() === 0);
});

test('an attempt of a closed sender fails', async () => {
  const { url } = await startHttp((_request, response) => response.end());
  const sender = senderFor();
  await sender.close();
  expect((await sender.send(deliveryTo(url))).outcome).toMatchObject({ code: 'UND_ERR_DESTROYED' });
});

test('thousands of endpoints that refuse connections leave no memory in use', async () => {
  const port = await closedPort();
  const sender = senderFor({ addressRules: createAddressRules({ allowedCidrs: ['127.0.0.0/8'] }) });
  // Every address of 127/8 is this machine, and each is another origin.
  const sendToMany = async (block: number) => {
    for (let group = 0; group < 20; group++) {
      const hosts = Array.from({ length: 100 }, (_, n) => `127.${block}.${group}.${n + 1}`);
      await Promise.all(hosts.map((host) => sender.send(deliveryTo(`http://${host}:${port}/`))));
    }
    return heapInUse();
  };
  await sendToMany(1);
  const before = await sendToMany(2);
  const after = await sendToMany(3);
  // One pool of undici takes several KB.
  expect(after - before).toBeLessThan(2000 * 1000);
});

test('an attempt without a free file descriptor is a local fault', async () => {
  const { port } = await startTcp(() => {});
  const built = (path: string) => new URL(`../../dist/${path}`, import.meta.url).href;
  const program = `
    const { createSender } = await import('${built('http/sender.js')}');
    const { createAddressRules } = await import('${built('core/endpoint/address.js')}');
    const addressRules = createAddressRules({ allowedCidrs: ['127.0.0.1'] });
    const sender = createSender({
      attemptTimeoutMs: 1000,
      connectTimeoutMs: 1000,
      maxResponseBytes: 1,
      mostConnections: 10,
      addressRules,
    });
    const target = { origin: 'http://127.0.0.1:${port}', path: '/', hostname: '127.0.0.1' };
    const delivery = { id: 'x', target, method: 'POST', headers: ['user-agent', 'x'], body: null, endpoint: null };
    const attempts = await Promise.all(Array.from({ length: 100 }, () => sender.send(delivery)));
    for (const { outcome } of attempts) console.log(outcome.kind, outcome.code ?? outcome.phase);
    process.exit();`;
  const withFewFiles = 'ulimit -n 60; exec "$0" --input-type=module -e "$1"';
  const { stdout, waitForExit } = await runCommand('/bin/sh', [
    '-c',
    withFewFiles,
    process.execPath,
    program,
  ]);
  await waitForExit();
  expect([...new Set(stdout)].sort()).toEqual(['localFault EMFILE', 'timedOut response']);
});

test('an IPv6 address without a route is unreachable, and a lack of local ports is a local fault', async () => {
  // A container without IPv6 fails so for an IPv6 address, a machine without free local ports for an IPv4 address.
  const notAvailable = (address: string) =>
    Object.assign(new Error(`connect EADDRNOTAVAIL ${address}`), { code: 'EADDRNOTAVAIL', address });
  const outcomeOf = async (error: Error) => {
    const sender = senderFor({ resolve: (_hostname, _options, callback) => callback(error, []) });
    return (await sender.send(deliveryTo('http://hook.test/'))).outcome.kind;
  };
  expect(await outcomeOf(notAvailable('2001:db8::1'))).toBe('unreachable');
  expect(await outcomeOf(notAvailable('192.0.2.1'))).toBe('localFault');
});
