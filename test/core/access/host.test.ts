import { describe, expect, it } from 'vitest';
import { checkHost } from '../../../src/core/access/host.ts';

const NAMES = ['hooks.example.com', '*.internal', 'Api'];

describe('a request with the Host', () => {
  it.each([
    [undefined],
    [''],
    ['localhost'],
    ['localhost:8080'],
    ['LOCALHOST:8080'],
    ['localhost.'],
    ['127.0.0.1:8080'],
    ['[::1]:8080'],
    ['[::ffff:127.0.0.1]'],
    ['192.168.1.5'],
    ['hooks.example.com'],
    ['Hooks.Example.com:443'],
    ['hooks.example.com.'],
    ['api:8080'],
    ['a.internal'],
    ['a.b.internal:80'],
  ])('%j is accepted', (host) => {
    expect(checkHost(host, NAMES)).toBeNull();
  });

  it.each([
    ['evil.example'],
    ['evil.example:8080'],
    ['localhost.evil.example'],
    ['evil-localhost'],
    ['127.0.0.1.evil.example'],
    ['hooks.example.com.evil.example'],
    ['xhooks.example.com'],
    ['internal'],
    ['xinternal'],
    ['127.1'],
    ['2130706433'],
    ['0x7f.0.0.1'],
    ['api.'.repeat(2)],
  ])('%j is refused, because a page could have this name', (host) => {
    expect(checkHost(host, NAMES)).toContain('ALLOWED_HOSTS');
  });

  it.each([
    ['localhost:'],
    ['localhost:123456'],
    ['user@localhost'],
    ['localhost/x'],
    ['localhost localhost'],
    ['localhost,evil.example'],
    ['[::1'],
    ['[1.2.3.4]'],
    ['[localhost]'],
    ['::1'],
    ['.'],
    [' localhost'],
    ['lôcalhost'],
  ])('%j is refused, because it is no host', (host) => {
    expect(checkHost(host, NAMES)).toContain('is not a host');
  });
});
