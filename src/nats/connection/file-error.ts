import { errorCode, UserError } from '../../runtime/failure.ts';

/** PEM and `.creds` files have rows of dashes, and seeds, JWTs and keys are longer than any name of a file. */
const LOOKS_LIKE_CONTENT = /-----|[^/\\\s]{40,}/;

/**
 * Why the file that a setting names cannot be used. Where the setting holds the secret itself, which is easily done where
 * secrets come as texts, it is not repeated.
 */
export function unreadableFile(setting: string, path: string, error: unknown): UserError {
  const why = `cannot be read (${errorCode(error)}).`;
  return new UserError(
    LOOKS_LIKE_CONTENT.test(path)
      ? `${setting}: it ${why} It must be the path of a file, not what the file holds.`
      : `${setting}: ${path} ${why}`,
    { cause: LOOKS_LIKE_CONTENT.test(path) ? undefined : error },
  );
}
