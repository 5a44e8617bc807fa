import { errorCode } from './failure.ts';

/** A program that reads our output may stop early, as `head` does. Writing on is then no error, and changes nothing. */
const CLOSED = new Set(['EPIPE', 'ERR_STREAM_DESTROYED']);

/** From now on, output that nobody reads any more is dropped, instead of ending the process with a stack trace. */
export function dropUnreadOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!CLOSED.has(errorCode(error) ?? '')) throw error;
    });
  }
}

/** Resolves when a line was written that nobody reads any more: time to stop, for a command that prints on and on. */
export function outputClosed(): Promise<'SIGPIPE'> {
  return new Promise((resolve) => {
    process.stdout.once('error', () => resolve('SIGPIPE'));
  });
}
