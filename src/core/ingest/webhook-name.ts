/** Paths of the API, so no webhook can have these names. */
export const NO_NAMES: ReadonlySet<string> = new Set(['batch', 'stats']);

/** The longest name, in bytes of UTF-8. */
export const LONGEST_NAME = 255;

/** What NATS does not allow in a token of a subject, and what a path of a URL cannot show. */
const NOT_IN_NAMES = /[\s\p{Cc}.*>/\\?#%]/u;

/**
 * Why a text can be no name of a webhook, in a sentence; null if it can. A name becomes the last token of the subject
 * `webhooks.<name>`.
 */
export function nameProblem(name: string): string | null {
  if (NO_NAMES.has(name)) return `"${name}" is a path of this API, so no webhook can have this name.`;
  if (
    name !== '' &&
    Buffer.byteLength(name) <= LONGEST_NAME &&
    !NOT_IN_NAMES.test(name) &&
    name.isWellFormed()
  )
    return null;
  return `A name of a webhook has 1 to ${LONGEST_NAME} bytes, and no dot, white space, "*", ">", "/", "\\", "?", "#" or "%", because it is a part of the NATS subject "webhooks.<name>".`;
}
