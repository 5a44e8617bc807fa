import { beforeEach, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../src/core/endpoint/endpoint.ts';
import { WrongRowsLog } from '../../../src/delivery/registry/wrong-rows-log.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

let logged: string[];
let log: WrongRowsLog;
beforeEach(() => {
  logged = [];
  const warn = ({ endpoint }: { endpoint: string }, event: string) => logged.push(`${event} ${endpoint}`);
  log = new WrongRowsLog(['webhooks.*'], { warn } as unknown as Logger);
});

const row = (name: string, detail: string | null, natsSubject: string | null = null) =>
  ({
    row: { name, natsSubject },
    request: detail === null ? { kind: 'request' } : { kind: 'invalid', detail },
  }) as unknown as Endpoint;

describe('the log of wrong rows', () => {
  it('names each wrong row once, however often the rows are read', () => {
    for (let read = 0; read < 3; read++) log.onRead([row('a', 'url is missing'), row('b', null)]);
    expect(logged).toEqual(['endpoint.invalid a']);
  });

  it('names a row again if something else is wrong with it, or if it was correct meanwhile', () => {
    log.onRead([row('a', 'url is missing')]);
    log.onRead([row('a', 'a header is wrong')]);
    log.onRead([row('a', null)]);
    log.onRead([row('a', 'a header is wrong')]);
    expect(logged).toEqual(['endpoint.invalid a', 'endpoint.invalid a', 'endpoint.invalid a']);
  });

  it('names a row whose subject the group does not consume, and none with wildcards in its subject', () => {
    for (let read = 0; read < 2; read++)
      log.onRead([row('a', null, 'orders.new'), row('b', null, 'webhooks.b'), row('c', null, 'orders.*')]);
    expect(logged).toEqual(['endpoint.unreachable_subject a']);
  });
});
