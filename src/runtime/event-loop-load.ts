import { performance } from 'node:perf_hooks';

/** Over how long it is measured, in milliseconds; longer where nobody has asked meanwhile. */
const MEASURE_MS = 500;
/** Share of the time that the event loop is at work, from which on it is the bottleneck. */
const BUSY = 0.9;

/** Tells whether this process is the bottleneck: answers come late then because they are read late. */
export function createEventLoopMonitor(): () => boolean {
  let since = performance.eventLoopUtilization();
  let measuredAt = performance.now();
  let isBusy = false;
  return () => {
    const now = performance.now();
    if (now - measuredAt < MEASURE_MS) return isBusy;
    const total = performance.eventLoopUtilization();
    isBusy = performance.eventLoopUtilization(total, since).utilization > BUSY;
    since = total;
    measuredAt = now;
    return isBusy;
  };
}
