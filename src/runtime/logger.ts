import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

export type LogOptions = {
  readonly level: string;
  /** Undefined: `pretty` on a terminal, else `json`. */
  readonly format: 'json' | 'logfmt' | 'pretty' | undefined;
};

/** A logger that writes to standard output synchronously, so that no line before a crash is lost. */
export async function createLogger(options: LogOptions): Promise<Logger> {
  const format = options.format ?? (process.stdout.isTTY ? 'pretty' : 'json');
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    await destination(format),
  );
}

async function destination(format: 'json' | 'logfmt' | 'pretty'): Promise<DestinationStream> {
  switch (format) {
    case 'json':
      return pino.destination({ dest: 1, sync: true });
    case 'logfmt':
      return pino.transport({
        target: 'pino-logfmt',
        options: { flattenNestedObjects: true, convertToSnakeCase: false, escapeMultilineStrings: true },
      });
    case 'pretty': {
      const { default: pretty } = await import('pino-pretty');
      return pretty({
        sync: true,
        singleLine: true,
        translateTime: 'HH:MM:ss.l',
        messageFormat: '{msg}{if hint}: {hint}{end}',
        ignore: 'pid,hostname,hint',
        // A field `error` is a sentence, and stays on the line.
        errorLikeObjectKeys: ['err'],
      });
    }
  }
}
