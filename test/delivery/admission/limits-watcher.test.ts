import { describe, expect, it } from 'vitest';
import { EndpointLimitsWatcher } from '../../../src/delivery/admission/limits-watcher.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

/** A watcher whose reads end when the test says so. */
function open() {
  const reads: ((isRead: boolean) => void)[] = [];
  const watcher = new EndpointLimitsWatcher({
    defaults: { concurrency: undefined, ratePerSecond: undefined, disabledEndpoint: 'park' },
    read: () =>
      new Promise((resolve, reject) => {
        reads.push((isRead) =>
          isRead ? resolve({ byOperator: new Map(), liveWorkers: 1 }) : reject(new Error('away')),
        );
      }),
    admission: { applyLimits() {} },
    log: { warn() {}, info() {} } as unknown as Logger,
  });
  const turn = () => new Promise(setImmediate);
  return { watcher, reads, turn };
}

describe('a read of the limits that is asked for', () => {
  it('begins after the call, also while another read is under way', async () => {
    const { watcher, reads, turn } = open();
    void watcher.refreshed();
    await turn();
    let isDone = false;
    const second = watcher.refreshed().then((isRead) => {
      isDone = true;
      return isRead;
    });
    reads[0]!(true);
    await turn();
    expect([isDone, reads.length]).toEqual([false, 2]);
    reads[1]!(true);
    expect(await second).toBe(true);
  });

  it('is shared by concurrent calls', async () => {
    const { watcher, reads, turn } = open();
    const calls = [watcher.refreshed(), watcher.refreshed(), watcher.refreshed()];
    await turn();
    expect(reads.length).toBe(1);
    reads[0]!(true);
    expect(await Promise.all(calls)).toEqual([true, true, true]);
  });

  it('resolves to false if it fails', async () => {
    const { watcher, reads, turn } = open();
    const call = watcher.refreshed();
    await turn();
    reads[0]!(false);
    expect(await call).toBe(false);
  });
});
