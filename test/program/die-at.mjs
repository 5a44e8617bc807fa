// Loaded into a worker before its own modules (NODE_OPTIONS=--import=…). Kills the worker when it reaches the failpoint
// DIE_AT for the DIE_AT_TIME-th time.
import { subscribe } from 'node:diagnostics_channel';

let times = Number(process.env.DIE_AT_TIME);

subscribe(`nats-webhook-worker:${process.env.DIE_AT}`, () => {
  times--;
  if (times === 0) process.kill(process.pid, 'SIGKILL');
});
