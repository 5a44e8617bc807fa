// A program that starts a server and then waits: `node keep-server.mjs <log file>`.
import { startSupervised } from '../../../dist/embedded/process/supervised-process.js';

const server = await startSupervised({
  command: process.execPath,
  args: ['-e', 'setInterval(() => {}, 1000)'],
  env: process.env,
  logFile: process.argv[2],
  stopSignal: 'SIGTERM',
  graceMs: 5000,
});
process.on('SIGINT', () => console.log('draining'));
console.log(`server ${server.pid}`);
setInterval(() => {}, 1000);
