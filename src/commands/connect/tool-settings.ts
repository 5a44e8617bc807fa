import { readSettings, type Settings } from '../../config/settings.ts';
import { withRunningServers } from '../../embedded/files/running-servers.ts';
import { printWarnings } from './setting-warnings.ts';

/** The settings for a command of the user. If they name no servers, the servers of an `up` that runs from this clone are used. */
export function commandSettings(): Settings {
  const settings = readSettings();
  printWarnings(settings);
  return withRunningServers(settings);
}
