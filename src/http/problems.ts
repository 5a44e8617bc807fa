import { errorCode } from '../runtime/failure.ts';
import { BODY_PROBLEMS, type Problem, ProblemError, type ProblemKind } from '../runtime/problem.ts';

/** The problems that every request can have, whatever it asks for. */
export const HTTP_PROBLEMS = {
  badRequest: { slug: 'bad-request', status: 400, title: 'The request is not valid HTTP, or not readable.' },
  notFound: { slug: 'not-found', status: 404, title: 'There is nothing at this path.' },
  methodNotAllowed: { slug: 'method-not-allowed', status: 405, title: 'The path does not take this method.' },
  bug: { slug: 'internal-error', status: 500, title: 'The server made a mistake.' },
  stopping: { slug: 'stopping', status: 503, title: 'The server stops.' },
} as const satisfies Record<string, ProblemKind>;

const OF_CODES: Readonly<Record<string, readonly [kind: ProblemKind, detail: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [BODY_PROBLEMS.tooLarge, 'The body is larger than the server takes.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    BODY_PROBLEMS.unsupportedType,
    'Content-Type is not a media type. Write one such as application/json.',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    HTTP_PROBLEMS.badRequest,
    'The body is not as long as Content-Length says.',
  ],
  FST_ERR_BAD_URL: [
    HTTP_PROBLEMS.badRequest,
    'The path has a "%" without two hexadecimal digits, or is not UTF-8.',
  ],
  FST_ERR_MAX_PARAM_LENGTH: [HTTP_PROBLEMS.notFound, 'A part of the path is too long.'],
};

/** The problem that an error in a request means. Null: a bug. */
export function problemOfError(error: unknown): Problem | null {
  if (error instanceof ProblemError) return error.problem;
  const known = OF_CODES[errorCode(error) ?? ''];
  if (known !== undefined) return { kind: known[0], detail: known[1] };
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status !== 'number' || status < 400 || status > 499) return null;
  return { kind: { ...HTTP_PROBLEMS.badRequest, status }, detail: 'The request is not valid.' };
}
