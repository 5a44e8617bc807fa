// Shows the progress of a preparation step. See prepare.mjs.

/** Time between two lines in a log, in seconds. Long, because a log keeps every line. */
const LOG_EVERY = 30;

/**
 * Prints the name of a step that takes longer than one second, and the seconds that have passed: on a terminal every second, in
 * one line; in a log every 30 s. Returns a function that ends the output.
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
