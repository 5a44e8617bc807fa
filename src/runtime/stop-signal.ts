/** Signals within this time after the first one are ignored, in milliseconds: under npm, one Ctrl-C arrives twice. */
const DUPLICATE_SIGNAL_MS = 1000;

/**
 * Resolves at the first SIGTERM or SIGINT. A later signal ends the process at once, with code 130 (SIGINT) or 143 (SIGTERM).
 */
export function waitForStopSignal(log: {
  warn(fields: { signal: NodeJS.Signals; hint: string }, event: string): void;
}): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (firstAt === undefined) {
        firstAt = performance.now();
        resolve(signal);
      } else if (performance.now() - firstAt > DUPLICATE_SIGNAL_MS) {
        const hint = `A second ${signal} ends the process at once. NATS delivers the messages in flight again.`;
        log.warn({ signal, hint }, 'worker.stop_forced');
        process.exit(signal === 'SIGINT' ? 130 : 143);
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
