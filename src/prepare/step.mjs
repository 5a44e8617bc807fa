// Runs one step of the preparation as a child process. See prepare.mjs.
import { spawn } from 'node:child_process';
import { claim } from './lock.mjs';
import { showProgress } from './progress.mjs';

/**
 * Runs one step. The child process also holds the lock while it runs. The output is kept for the error message of a failure.
 * Shows the progress of a step that takes longer than one second. Ends the step as soon as `isHopeless(output)` is true.
 */
export function runStep(step, [command, ...args], { cwd, lockFolder, isHopeless }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const childClaim = child.pid === undefined ? undefined : claim(lockFolder, child.pid);
    const endProgress = showProgress(step);
    const stopSignals = stopWith(child);
    let output = '';
    const collect = (text) => {
      output += text;
      if (isHopeless?.(output)) child.kill();
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', collect);
    const end = () => {
      endProgress();
      childClaim?.release();
      return stopSignals();
    };
    child.on('error', (error) => {
      end();
      reject(error);
    });
    child.on('close', (code) => {
      const signal = end();
      // This process ends by the signal, as without a handler. An incomplete step has no stamp, so the next start repeats it.
      if (signal) process.kill(process.pid, signal);
      else resolve({ ok: code === 0, output });
    });
  });
}

/**
 * How long a step may take to end after a stop signal, in milliseconds. Above: it is killed. npm would finish downloads first,
 * for half a minute.
 */
const PATIENCE_MS = 2000;

/**
 * Forwards stop signals to the child, which must end before this process. Returns a function that ends the forwarding and returns
 * the received signal.
 */
function stopWith(child) {
  let received;
  let killTimer;
  const stop = (signal) => {
    received = signal;
    child.kill(signal);
    // A kill does no harm: the next start repeats an incomplete step from its beginning.
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, stop);
  return () => {
    clearTimeout(killTimer);
    for (const signal of signals) process.off(signal, stop);
    return received;
  };
}
