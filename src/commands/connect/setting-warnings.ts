import type { Settings } from '../../config/settings.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Logs the setting names that are old, have no effect or are unknown. For a program with a log. */
export function logWarnings({ warnings }: Settings, log: Pick<Logger, 'warn'>): void {
  for (const { kind, setting, hint } of warnings) {
    if (kind === 'retired') log.warn({ setting, hint }, 'setting.retired');
    else log.warn({ setting, hint }, kind === 'renamed' ? 'setting.renamed' : 'setting.unknown');
  }
}

/** Prints the same warnings on standard error, apart from the output of the command. For a command of the user. */
export function printWarnings({ warnings }: Settings): void {
  for (const { hint } of warnings) process.stderr.write(`${hint}\n`);
}
