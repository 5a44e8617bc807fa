// Shows that a step of the preparation goes on. See prepare.mjs.

/** A log keeps every line, so it gets few of them. In seconds. */
const LOG_EVERY = 30;

/**
 * Names a step that takes longer than a second, and says how long it has taken: on a terminal every second, in one line;
 * in a log every half minute. Returns how to end that.
 */
export function showProgress(step, stream = process.stderr) {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds++;
    const passed = seconds === 1 ? '' : ` ${seconds} s`;
    if (stream.isTTY) stream.write(`\r${step} …${passed}`);
    else if (seconds === 1 || seconds % LOG_EVERY === 0) stream.write(`${step} …${passed}\n`);
  }, 1000);
  return () => {
    clearInterval(timer);
    if (stream.isTTY && seconds > 0) stream.write('\n');
  };
}
