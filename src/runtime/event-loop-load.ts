import { performance } from 'node:perf_hooks';

/** The shortest time that one measurement covers, in milliseconds. If the monitor is asked less often, it covers more. */
const MEASURE_MS = 500;
/** Above this share of the time at work, the event loop is the bottleneck. */
const BUSY = 0.9;

/** Creates a function that returns true if this process is the bottleneck: then answers seem late because they are read late. */
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
