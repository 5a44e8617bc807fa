import { expect, test } from 'vitest';
import { unreadableFile } from '../../../src/nats/connection/file-error.ts';

const missing = Object.assign(new Error("ENOENT: no such file or directory, open 'xyzzy'"), {
  code: 'ENOENT',
});

test('a file that cannot be read is named, with its setting', () => {
  const path = '/etc/nats/prod/worker.creds';
  expect(unreadableFile('NATS_CREDS', path, missing).message).toBe(
    'NATS_CREDS: /etc/nats/prod/worker.creds cannot be read (ENOENT).',
  );
});

test.each([
  ['NATS_CREDS', '-----BEGIN NATS USER JWT-----\\nxyzzy\\n------END NATS USER JWT------'],
  ['NATS_TLS_KEY', '-----BEGIN PRIVATE KEY-----\\nxyzzy'],
  ['NATS_CREDS', `xyzzy${'A'.repeat(60)}`],
  ['NATS_NKEY', `/xyzzy${'A'.repeat(58)}`],
])('a setting that contains a secret in place of a path is refused without the secret: %s=%s', (setting, text) => {
  const error = unreadableFile(setting, text, missing);
  expect(error.message).toMatch(new RegExp(`^${setting}: .*must be the path of a file`));
  expect(`${error.stack} ${error.cause}`).not.toContain('xyzzy');
});
