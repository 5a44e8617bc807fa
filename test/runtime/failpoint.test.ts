import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { failpoint } from '../../src/runtime/failpoint.ts';

describe('a fault point', () => {
  it('is nothing where nobody listens', () => {
    expect(failpoint('test.alone')()).toBeUndefined();
  });

  it('tells who listens, at once and each time', () => {
    let times = 0;
    const listener = () => void times++;
    const here = failpoint('test.heard');
    subscribe('nats-webhook-worker:test.heard', listener);
    here();
    here();
    unsubscribe('nats-webhook-worker:test.heard', listener);
    here();
    expect(times).toBe(2);
  });
});
