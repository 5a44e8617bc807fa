import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRunning } from '../../../src/embedded/process/process-identity.ts';
import {
  type SupervisedProcessOptions,
  startSupervised,
} from '../../../src/embedded/process/supervised-process.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { temporaryFolder } from '../../support/clean-up.ts';
import { type RunOptions, runCommand } from '../../support/program.ts';
import { until } from '../../support/wait.ts';

const PROGRAM = new URL('../programs/keep-server.mjs', import.meta.url).pathname;

async function programWithServer(options: RunOptions = {}) {
  const log = join(await temporaryFolder(), 'server.log');
  const program = await runCommand(process.execPath, [PROGRAM, log], options);
  const serverPid = Number((await program.waitForLine(/^server \d+/)).split(' ')[1]);
  return { program, serverPid };
}

async function supervise(script: string, options: Partial<SupervisedProcessOptions> = {}) {
  return startSupervised({
    command: process.execPath,
    args: ['-e', script],
    env: process.env,
    logFile: join(await temporaryFolder(), 'server.log'),
    stopSignal: 'SIGTERM',
    graceMs: 10_000,
    ...options,
  });
}

describe('a supervised server', () => {
  it('ends when the program that started it is killed with kill -9', async () => {
    const { program, serverPid } = await programWithServer();
    expect(isRunning(serverPid)).toBe(true);
    program.kill('SIGKILL');
    await until(() => !isRunning(serverPid));
  });

  it('does not receive the Ctrl-C of its program, so the program can drain first', async () => {
    const { program, serverPid } = await programWithServer({ ownGroup: true });
    program.kill('SIGINT');
    await program.waitForLine('draining');
    expect(isRunning(serverPid)).toBe(true);
    program.kill('SIGKILL');
    await until(() => !isRunning(serverPid));
  });

  it('is stopped with its stop signal', async () => {
    const server = await supervise(
      `process.on('SIGINT', () => { console.log('bye'); process.exit(7) }); setInterval(() => {}, 1000); console.log('up')`,
      { stopSignal: 'SIGINT' },
    );
    await until(async () => (await server.logTail()).includes('up'));
    await server.stop();
    expect(await server.exited).toEqual({ code: 7, signal: null });
    expect(await server.logTail()).toBe('up\nbye');
  });

  it('is killed if it ignores its stop signal', async () => {
    const server = await supervise(
      `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')`,
      { graceMs: 50 },
    );
    await until(async () => (await server.logTail()).includes('up'));
    await server.stop();
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('can be killed, and a stop after that does nothing', async () => {
    const server = await supervise('setInterval(() => {}, 1000)');
    await server.kill();
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await server.stop();
    await server.kill();
  });

  it('has its exit code if it ends by itself', async () => {
    const server = await supervise('process.exit(3)');
    expect(await server.exited).toEqual({ code: 3, signal: null });
  });

  it('is named in the error if it cannot be run', async () => {
    const started = supervise('', { command: '/nowhere/server' });
    await expect(started).rejects.toThrow(new UserError('Cannot run /nowhere/server: ENOENT.'));
  });

  it('inherits no settings of the worker from the environment', async () => {
    const server = await supervise('console.log(process.env.PGPORT)', {
      env: { ...process.env, PGPORT: '1' },
    });
    await server.exited;
    expect(await server.logTail()).toBe('undefined');
  });
});
