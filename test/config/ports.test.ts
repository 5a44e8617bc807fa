import { describe, expect, it } from 'vitest';
import { requireDifferentPorts } from '../../src/config/ports.ts';
import { UserError } from '../../src/runtime/failure.ts';

describe('the ports of one program', () => {
  it.each([
    [{ PORT: 8080, ADMIN_PORT: 8081, HTTP_PORT: 8082 }],
    [{ PORT: 8080, ADMIN_PORT: 0, HTTP_PORT: 0 }],
  ])('%j may be opened', (ports) => {
    expect(() => requireDifferentPorts(ports)).not.toThrow();
  });

  it.each([
    [{ PORT: 8081, ADMIN_PORT: 8081 }, 'PORT and ADMIN_PORT are both 8081', 'ADMIN_PORT=0'],
    [{ PORT: 80, ADMIN_PORT: 8081, HTTP_PORT: 80 }, 'PORT and HTTP_PORT are both 80', 'HTTP_PORT=0'],
    [{ PORT: 1, ADMIN_PORT: 7, HTTP_PORT: 7 }, 'ADMIN_PORT and HTTP_PORT are both 7', 'HTTP_PORT=0'],
  ])('%j are refused with both settings and the cure', (ports, both, cure) => {
    expect(() => requireDifferentPorts(ports)).toThrow(UserError);
    expect(() => requireDifferentPorts(ports)).toThrow(both);
    expect(() => requireDifferentPorts(ports)).toThrow(cure);
  });
});
