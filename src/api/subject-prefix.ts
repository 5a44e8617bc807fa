import { UserError } from '../runtime/failure.ts';

/**
 * What stands before the name in the subjects of webhooks: `webhooks` for `webhooks.*`.
 *
 * @throws {UserError} if no subject has a place for a name.
 */
export function subjectPrefixOf(subjects: readonly string[]): string {
  const prefixes = subjects.flatMap((subject) => /^([^*>]+)\.[*>]$/.exec(subject)?.[1] ?? []);
  const prefix = prefixes.find((each) => each === 'webhooks') ?? prefixes[0];
  if (prefix !== undefined) return prefix;
  throw new UserError(
    `SUBJECT: the API publishes to <prefix>.<name>, and none of ${subjects.join(', ')} has a place for a name. Add a subject such as webhooks.*.`,
  );
}
