import { UserError } from '../../runtime/failure.ts';

/** The first version with `filter_subjects`, consumer create actions and a reason on `term`. */
const OLDEST = [2, 10, 4] as const;

/** Returns an error for a server so old that it silently drops settings of ours. Undefined for a server that is new enough. */
export function refuseOldServer(version: string, server: string): UserError | undefined {
  const parts = version.split(/[.+-]/).map(Number);
  for (const [index, oldest] of OLDEST.entries()) {
    const part = parts[index] ?? Number.NaN;
    if (part > oldest) return undefined;
    if (!(part === oldest)) {
      return new UserError(
        `NATS at ${server} is nats-server ${version}; ${OLDEST.join('.')} or newer is needed. ` +
          'Update nats-server, or name a newer one in NATS_URL.',
      );
    }
  }
  return undefined;
}
