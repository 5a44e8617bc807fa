import { errorCode } from './failure.ts';

/**
 * Codes after the program that reads our output stopped early, as `head` does. Writing is then not an error, and has no effect.
 */
const CLOSED = new Set(['EPIPE', 'ERR_STREAM_DESTROYED']);

/** From now on, output to a closed pipe is dropped, instead of ending the process with a stack trace. */
export function dropUnreadOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!CLOSED.has(errorCode(error) ?? '')) throw error;
    });
  }
}

/** Resolves when standard output is a closed pipe: a command that prints without end should stop then. */
export function outputClosed(): Promise<'SIGPIPE'> {
  return new Promise((resolve) => {
    process.stdout.once('error', () => resolve('SIGPIPE'));
  });
}
