/**
 * Runs a server as long as the program that started it lives:
 *
 *     node supervisor.js [--stop SIGTERM] [--grace-ms 10000] [--user uid:gid] -- <command> <args>…
 *
 * When its standard input ends, since the program closed it or has ended in whatever way, kill -9 included, it stops the
 * server and ends. It is started in a session of its own, so that Ctrl-C in a terminal reaches the program alone, which
 * drains first. It imports nothing of ours: one file, one small process.
 *
 * Standard output: a line of JSON, `{"pid":1}` or `{"error":"ENOENT"}`, then `{"exit":{"code":0,"signal":null}}`.
 * What the server writes goes to standard error.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    stop: { type: 'string', default: 'SIGTERM' },
    'grace-ms': { type: 'string', default: '10000' },
    user: { type: 'string' },
  },
});
const [command = '', ...args] = positionals;
const [uid, gid] = values.user?.split(':').map(Number) ?? [];

// Who reads this may be gone; then its end of our input tells us.
process.stdout.on('error', () => {});
const tell = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const server = spawn(command, args, {
  stdio: ['ignore', 2, 2],
  ...(uid !== undefined && gid !== undefined ? { uid, gid } : {}),
});
server.on('spawn', () => tell({ pid: server.pid }));
server.on('error', (error: NodeJS.ErrnoException) => {
  tell({ error: error.code ?? error.message });
  process.stdin.destroy();
});
server.on('exit', (code, signal) => {
  tell({ exit: { code, signal } });
  process.stdin.destroy();
  clearTimeout(killTimer);
});

let killTimer: NodeJS.Timeout | undefined;
function stopServer() {
  server.kill(values.stop as NodeJS.Signals);
  killTimer ??= setTimeout(() => server.kill('SIGKILL'), Number(values['grace-ms']));
}

process.stdin.on('end', stopServer).on('error', stopServer).resume();
// A service manager that ends a whole group of processes, or a closed terminal, must not be quicker than the program.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
