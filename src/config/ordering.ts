import { makeValidator } from 'envalid';
import { items, jetStreamName, parseSubject } from './validators.ts';

/** Ordered webhooks. */
export const ordering = {
  /**
   * The stream that ordered webhooks are published to. The worker makes it if it is missing.
   * @default <STREAM_NAME>_ORDERED. Env ORDERED_STREAM_NAME.
   */
  ORDERED_STREAM_NAME: jetStreamName({
    default: undefined,
    desc: 'stream that ordered webhooks are published to',
  }),

  /**
   * Subjects whose messages are delivered in order, comma-separated: of each subject, one message at a time. None of them
   * may overlap the subjects of the stream of the other webhooks. `off`: nothing is delivered in order.
   * @default after SUBJECT: `webhooks.ordered.*` for `webhooks.*`. Env ORDERED_SUBJECT.
   */
  ORDERED_SUBJECT: makeValidator<readonly string[]>((text) => {
    const found = text.trim() === 'off' ? [] : items(text);
    if (found.length === 0 && text.trim() !== 'off')
      throw new TypeError(`"${text}" names nothing; leave it empty for the default`);
    return found.map(parseSubject);
  })({ default: undefined, desc: 'subjects delivered in order, each by itself, or `off`' }),
};

/**
 * The ordered subjects beside those that are delivered in any order: `webhooks.ordered.*` beside `webhooks.*`, `webhooks.>` and
 * `webhooks.orders`. A subject of one token has none beside it.
 */
export function orderedBeside(subjects: readonly string[]): readonly string[] {
  const prefixes = subjects.map((subject) => subject.split('.').slice(0, -1).join('.'));
  return [...new Set(prefixes)].filter((prefix) => prefix !== '').map((prefix) => `${prefix}.ordered.*`);
}
