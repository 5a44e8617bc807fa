import type { Settings } from '../../config/settings.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Names in the settings that are old, or that no setting has: for a program that logs. */
export function logWarnings({ warnings }: Settings, log: Pick<Logger, 'warn'>): void {
  for (const { kind, setting, hint } of warnings)
    log.warn({ setting, hint }, kind === 'renamed' ? 'setting.renamed' : 'setting.unknown');
}

/** The same for a command that a person runs, apart from the output of the command. */
export function printWarnings({ warnings }: Settings): void {
  for (const { hint } of warnings) process.stderr.write(`${hint}\n`);
}
