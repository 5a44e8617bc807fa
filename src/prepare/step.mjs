// One step of the preparation as a child process. See prepare.mjs.
import { spawn } from 'node:child_process';
import { claim } from './lock.mjs';
import { showProgress } from './progress.mjs';

/**
 * Runs one step, which holds the lock too while it runs, and keeps its output for the case that it fails. Shows
 * that the step goes on when it takes longer than a second; ends it when `isHopeless(output)`.
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
      // Ended by a signal, as if nothing had caught it; what is half done has no stamp and is done again.
      if (signal) process.kill(process.pid, signal);
      else resolve({ ok: code === 0, output });
    });
  });
}

/** How long a step may take to end when it is told to: npm finishes downloads first, for half a minute. */
const PATIENCE_MS = 2000;

/** Hands a stop signal on to the child, which must have ended before we do. Returns how to undo it; that tells the signal. */
function stopWith(child) {
  let received;
  let killTimer;
  const stop = (signal) => {
    received = signal;
    child.kill(signal);
    // Nothing is spoilt: a step that was cut short is done again from its beginning.
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
