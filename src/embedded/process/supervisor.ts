/**
 * Runs a server as long as the program that started this supervisor lives:
 *
 *     node supervisor.js [--stop SIGTERM] [--grace-ms 10000] [--user uid:gid] -- <command> <args>…
 *
 * The supervisor stops the server and ends when its own standard input ends: because the program closed the input, or because
 * the program ended in any way, including kill -9. The supervisor runs in its own session, so that Ctrl-C in a terminal reaches
 * only the program, which drains first. It imports no other file of this package: one file, one small process.
 *
 * Standard output: one line of JSON, `{"pid":1}` or `{"error":"ENOENT"}`, then `{"exit":{"code":0,"signal":null}}`.
 * Standard error: the output of the server.
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

// The program that reads this output may have ended. Then standard input ends too, and the supervisor stops.
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
// The supervisor ignores stop signals: if a service manager signals the whole process group, or a terminal closes, the program
// must be able to drain before the server stops.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
