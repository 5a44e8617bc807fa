// One preparation at a time in a checkout. Every process that wants to prepare puts a claim, a file named after itself,
// beside the others', and only then looks at them: of two that come together at least one sees the other and steps back.
// A claim counts while its process runs, so nothing that a killed process left behind has to be broken open.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for its turn in `folder`; `onWait(pid)` is told once whom it waits for. */
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

/** Claims `folder` for `pid`: also for a child, which may outlive us and still write when we are killed. */
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

/** When the process started, in clock ticks since boot, as Linux tells it: a pid is given to another process later on. */
function startTime(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    return fields[0] === 'Z' ? 'ended' : fields[19];
  } catch {
    return undefined;
  }
}
