import { beforeEach, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../src/core/endpoint/endpoint.ts';
import { WrongRowsLog } from '../../../src/delivery/registry/wrong-rows-log.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import { HandClock } from '../../support/hand-clock.ts';

let logged: string[];
let log: WrongRowsLog;
beforeEach(() => {
  logged = [];
  const warn = ({ endpoint }: { endpoint: string }, event: string) => logged.push(`${event} ${endpoint}`);
  log = new WrongRowsLog({
    subjects: ['webhooks.*'],
    clock: new HandClock(),
    log: { warn } as unknown as Logger,
  });
});

const row = (name: string, detail: string | null, natsSubject: string | null = null) =>
  ({ row: { id: name.charCodeAt(0), name, natsSubject }, problem: () => detail }) as unknown as Endpoint;

describe('the log of wrong rows', () => {
  it('names each wrong row once, however often the rows are read', () => {
    for (let read = 0; read < 3; read++) log.onRows([row('a', 'url is missing'), row('b', null)], []);
    expect(logged).toEqual(['endpoint.invalid a']);
  });

  it('names a row again if something else is wrong with it, or if it was correct meanwhile', () => {
    log.onRows([row('a', 'url is missing')], []);
    log.onRows([row('a', 'a header is wrong')], []);
    log.onRows([row('a', null)], []);
    log.onRows([row('a', 'a header is wrong')], []);
    expect(logged).toEqual(['endpoint.invalid a', 'endpoint.invalid a', 'endpoint.invalid a']);
  });

  it('names a row again if it was deleted and made again', () => {
    log.onRows([row('a', 'url is missing')], []);
    log.onRows([], [row('a', null).row.id]);
    log.onRows([row('a', 'url is missing')], []);
    expect(logged).toEqual(['endpoint.invalid a', 'endpoint.invalid a']);
  });

  it('names a row whose subject the group does not consume, and none with wildcards in its subject', () => {
    for (let read = 0; read < 2; read++)
      log.onRows(
        [row('a', null, 'orders.new'), row('b', null, 'webhooks.b'), row('c', null, 'orders.*')],
        [],
      );
    expect(logged).toEqual(['endpoint.unreachable_subject a']);
  });
});
