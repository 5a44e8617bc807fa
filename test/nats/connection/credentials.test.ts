import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/nats/connection/address.ts';
import { credentialsFrom } from '../../../src/nats/connection/credentials.ts';
import { temporaryFolder } from '../../support/clean-up.ts';
import { startTestNats } from '../../support/servers.ts';
import { connectTo, refusal } from '../servers.ts';
import { makeOperator } from './jwt.ts';

// Made for this test.
const SEED = 'SUAEFBVUO5UI3VTB5I2GNQV6ZIARD2S52EKU2BZX5Z7MBMUIFQNPSKIFFM';
const PUBLIC_KEY = 'UCRU4B7FDTY2VS5NSHOS6CNG2IYQNCAXRG2TELVJVZ45JWGSIEVI5YPP';

const described = (options: Parameters<typeof credentialsFrom>[0], ...urls: string[]) =>
  credentialsFrom(options, urls.map(parseAddress)).described;

test('NATS_USER wins over the userinfo of the URL', () => {
  expect(described({ user: 'bob', pass: 'x' }, 'nats://ann:x@a')).toBe('user "bob"');
});

test('the userinfo of one server is used for all servers', () => {
  expect(described({}, 'nats://a', 'nats://ann:x@b')).toBe('user "ann"');
});

test('servers with different userinfo are refused', () => {
  expect(() => described({}, 'nats://ann:x@a', 'nats://bob:x@b')).toThrow(/set NATS_USER and NATS_PASS/);
});

test('no credentials are sent if none are set', () => {
  expect(credentialsFrom({}, [parseAddress('a')])).toEqual({
    authenticator: undefined,
    described: undefined,
    cure: expect.stringContaining('NATS_TOKEN'),
  });
});

test('an invalid seed is refused, and the error does not repeat it', () => {
  expect(() => described({ nkeySeed: 'SUAWRONG' })).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('SUAWRONG') }),
  );
});

test('a credentials file that does not exist is refused, with its name', () => {
  expect(() => described({ credsFile: '/no/such.creds' })).toThrow(/\/no\/such\.creds cannot be read/);
});

test('a credentials file without credentials is refused, with its name', async () => {
  const file = join(await temporaryFolder(), 'user.creds');
  await writeFile(file, 'nothing');
  expect(() => described({ credsFile: file })).toThrow(/user\.creds is not valid/);
});

test('an NKey seed logs in, also if it is in a file', async () => {
  const { url } = await startTestNats({ config: `authorization { users: [{ nkey: ${PUBLIC_KEY} }] }` });
  const file = join(await temporaryFolder(), 'user.nk');
  await writeFile(file, `${SEED}\n`);
  expect((await connectTo(url, { nkeySeed: SEED })).isConnected()).toBe(true);
  expect((await connectTo(url, { nkeyFile: file })).isConnected()).toBe(true);
});

test('an NKey seed that NATS does not know is refused, and the error does not show it', async () => {
  const other = 'UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4';
  const { url } = await startTestNats({ config: `authorization { users: [{ nkey: ${other} }] }` });
  const message = await refusal(connectTo(url, { nkeySeed: SEED }));
  expect(message).toMatch(/refuses the NKey seed/);
  expect(message).not.toContain(SEED);
});

test('a file for NATS_NKEY without a seed is refused, and the error does not show its content', async () => {
  const file = join(await temporaryFolder(), 'user.nk');
  await writeFile(file, 'hunter2');
  expect(() => described({ nkeyFile: file })).toThrow(`NATS_NKEY: the NKey seed in ${file} is not valid.`);
});

test.each([
  '',
  SEED.slice(0, 20),
])('the last complete seed is used while its file holds %j, as in a renewal', async (partial) => {
  const file = join(await temporaryFolder(), 'user.nk');
  await writeFile(file, SEED);
  const { authenticator } = credentialsFrom({ nkeyFile: file }, []);
  const publicKey = () => authenticator!('nonce') as { nkey: string };
  await writeFile(file, partial);
  expect(publicKey()).toMatchObject({ nkey: PUBLIC_KEY });
});

test('the last complete credentials are used while their file is not complete, and the new ones afterwards', async () => {
  const file = join(await temporaryFolder(), 'user.creds');
  const [old, renewed] = [makeOperator().credentials(), makeOperator().credentials()];
  await writeFile(file, old);
  const { authenticator } = credentialsFrom({ credsFile: file }, []);
  const jwt = () => (authenticator!('nonce') as { jwt: string }).jwt;
  const oldJwt = jwt();
  for (const partial of ['', renewed.slice(0, 100), renewed.slice(0, -100)]) {
    await writeFile(file, partial);
    expect(jwt()).toBe(oldJwt);
  }
  await writeFile(file, renewed);
  expect(renewed).toContain(jwt());
  expect(jwt()).not.toBe(oldJwt);
});
