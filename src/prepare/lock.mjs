// Only one process at a time may prepare a checkout. Every process first writes its own claim, a file named by its pid, and only
// then reads the other claims: of two processes that start together, at least one sees the other's claim and removes its own.
// A claim counts while its process runs, so no claim of a killed process must be forced.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until no other process has a claim in `folder`. Calls `onWait(pid)` once, with the pid of the other process. */
export async function acquireLock(folder, onWait) {
  mkdirSync(folder, { recursive: true });
  let told = false;
  for (;;) {
    const ours = claim(folder, process.pid);
    const other = otherClaimant(folder);
    if (other === undefined) return ours;
    ours.release();
    if (!told) onWait(other);
    told = true;
    await sleep(100 + Math.random() * 200);
  }
}

/** Claims `folder` for `pid`. A child process gets its own claim, because it may still write after this process is killed. */
export function claim(folder, pid) {
  const file = join(folder, `${pid}-${startTime(pid) ?? ''}`);
  writeFileSync(file, '');
  return { release: () => rmSync(file, { force: true }) };
}

function otherClaimant(folder) {
  for (const name of readdirSync(folder)) {
    const [pid, started] = name.split('-');
    if (Number(pid) === process.pid) continue;
    if (isRunning(Number(pid), started)) return Number(pid);
    rmSync(join(folder, name), { force: true });
  }
  return undefined;
}

function isRunning(pid, started) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return (startTime(pid) ?? '') === started;
}

/** When the process started, in clock ticks since boot, on Linux only. A later process may get the same pid. */
function startTime(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return fields[0] === 'Z' ? 'ended' : fields[19];
  } catch {
    return undefined;
  }
}
