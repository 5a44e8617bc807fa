import { UserError } from '../runtime/failure.ts';

/**
 * What stands before the name in the subjects of webhooks: `webhooks` for `webhooks.*`. Of several subjects, `webhooks` wins, then the
 * first one with a wildcard at its end, then the first one.
 *
 * @throws {UserError} if no subject has a place for a name.
 */
export function subjectPrefixOf(subjects: readonly string[]): string {
  const prefixes = [
    ...prefixesIn(subjects, /^([^*>]+)\.[*>]$/),
    ...prefixesIn(subjects, /^([^*>]+)\.[^.*>]+$/),
  ];
  const prefix = prefixes.find((each) => each === 'webhooks') ?? prefixes[0];
  if (prefix !== undefined) return prefix;
  throw new UserError(
    `SUBJECT: the API and the relay publish to <prefix>.<name>, and none of ${subjects.join(', ')} has a place for a name. Add a subject such as webhooks.*.`,
  );
}

function prefixesIn(subjects: readonly string[], pattern: RegExp): readonly string[] {
  return subjects.flatMap((subject) => pattern.exec(subject)?.[1] ?? []);
}
