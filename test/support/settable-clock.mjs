// Loaded into a program before its own modules (NODE_OPTIONS=--import=…). SIGUSR2 sets the time of day of the program: CLOCK_FILE
// says by how many milliseconds it differs from the machine's. As with a real clock, timers and performance.now() stay as they are.
import { readFileSync } from 'node:fs';

const Real = Date;
let offsetMs = 0;

function setClock() {
  offsetMs = Number(readFileSync(process.env.CLOCK_FILE, 'utf8'));
  process.stderr.write(`clock set to ${new Date().toISOString()}\n`);
}

globalThis.Date = class extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + offsetMs);
    else super(...given);
  }
  static now() {
    return Real.now() + offsetMs;
  }
};
process.on('SIGUSR2', setClock);
