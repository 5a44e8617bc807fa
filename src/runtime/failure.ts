/**
 * A failure that the user can cure: bad settings, a wrong password, a port in use. The message names the problem and the cure, so
 * it is printed without a stack. Any other error that reaches the user is a bug.
 */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(message: string, options?: { cause?: unknown; exitCode?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options?.exitCode ?? 1;
  }

  readonly exitCode: number;
}

/** The `code` of a system, HTTP, NATS or PostgreSQL error. Errors are distinguished by this code, never by their text. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** An error as one line for a log. */
export function errorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorMessage(error.errors[0]);
  const message = error instanceof Error ? error.message : String(error);
  return message || errorCode(error) || 'unknown error';
}
