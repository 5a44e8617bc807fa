import { errorCode, UserError } from '../../runtime/failure.ts';

/** PEM and `.creds` files contain runs of dashes. Seeds, JWTs and keys are longer than any file name. */
const LOOKS_LIKE_CONTENT = /-----|[^/\\\s]{40,}/;

/**
 * Says why the worker cannot read the file that a setting names. The message does not quote the value if the setting holds
 * the secret itself, an easy mistake where secrets come as text.
 */
export function unreadableFile(setting: string, path: string, error: unknown): UserError {
  const why = `cannot be read (${errorCode(error)}).`;
  return new UserError(
    LOOKS_LIKE_CONTENT.test(path)
      ? `${setting}: the file ${why} The setting must be the path of a file, not the content of the file.`
      : `${setting}: ${path} ${why}`,
    { cause: LOOKS_LIKE_CONTENT.test(path) ? undefined : error },
  );
}
