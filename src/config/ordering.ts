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
   * Subjects whose messages are delivered in order, comma-separated: one message at a time per subject. They must not overlap
   * the subjects of STREAM_NAME. `off`: nothing is delivered in order.
   * @default made from SUBJECT: `webhooks.ordered.*` for `webhooks.*`. Env ORDERED_SUBJECT.
   */
  ORDERED_SUBJECT: makeValidator<readonly string[]>((text) => {
    const found = text.trim() === 'off' ? [] : items(text);
    if (found.length === 0 && text.trim() !== 'off')
      throw new TypeError(`"${text}" is an empty list; leave the setting empty for its default`);
    return found.map(parseSubject);
  })({ default: undefined, desc: 'subjects delivered in order, each by itself, or `off`' }),
};

/**
 * The default ordered subjects for the subjects of SUBJECT: `webhooks.ordered.*` for `webhooks.*`, `webhooks.>` and
 * `webhooks.orders`. A subject of one token has none.
 */
export function orderedBeside(subjects: readonly string[]): readonly string[] {
  const prefixes = subjects.map((subject) => subject.split('.').slice(0, -1).join('.'));
  return [...new Set(prefixes)].filter((prefix) => prefix !== '').map((prefix) => `${prefix}.ordered.*`);
}
