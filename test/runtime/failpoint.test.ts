import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { failpoint } from '../../src/runtime/failpoint.ts';

describe('a failpoint', () => {
  it('does nothing without a subscriber', () => {
    expect(failpoint('test.alone')()).toBeUndefined();
  });

  it('calls its subscribers each time, synchronously', () => {
    let times = 0;
    const listener = () => void times++;
    const reach = failpoint('test.subscribed');
    subscribe('nats-webhook-worker:test.subscribed', listener);
    reach();
    reach();
    unsubscribe('nats-webhook-worker:test.subscribed', listener);
    reach();
    expect(times).toBe(2);
  });
});
