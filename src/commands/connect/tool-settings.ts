import { readSettings, type Settings } from '../../config/settings.ts';
import { withRunningServers } from '../../embedded/files/running-servers.ts';
import { printWarnings } from './setting-warnings.ts';

/** Settings for a command that a person runs: where they name no servers, those of an `up` that runs from this clone. */
export function commandSettings(): Settings {
  const settings = readSettings();
  printWarnings(settings);
  return withRunningServers(settings);
}
