/** A kind of problem that an HTTP request can have (RFC 9457). */
export type ProblemKind = {
  /** One or more words with hyphens: the anchor of its paragraph in the documentation. */
  readonly slug: string;
  readonly status: number;
  /** The same sentence for all problems of this kind. */
  readonly title: string;
};

/** The problems of bodies, which the HTTP server and the routes behind it find. */
export const BODY_PROBLEMS = {
  tooLarge: { slug: 'too-large', status: 413, title: 'The body is too large.' },
  unsupportedType: {
    slug: 'unsupported-type',
    status: 415,
    title: 'The type or the encoding of the body is not understood.',
  },
} as const satisfies Record<string, ProblemKind>;

/** What is wrong at one place of the body. `pointer`: a JSON pointer (RFC 6901); empty: the whole body. */
export type PointedError = { readonly pointer: string; readonly detail: string };

/** An answer to a request that was not done. A value: stages return it, and the HTTP server writes it. */
export type Problem = {
  readonly kind: ProblemKind;
  /** What is wrong with this request, and the cure. Never repeats the body. */
  readonly detail: string;
  readonly errors?: readonly PointedError[];
  /** After how many seconds the request may be repeated. */
  readonly retryAfterSeconds?: number;
  /** Further members of the problem. */
  readonly more?: Readonly<Record<string, string | number | boolean>>;
};

/** Thrown where a problem ends a request from deep inside, such as in a hook of the HTTP server. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The body of a problem. @param instance The id of the request. */
export function problemBody(problem: Problem, instance: string): Record<string, unknown> {
  const { kind, detail, errors, more } = problem;
  return {
    type: `/docs#${kind.slug}`,
    title: kind.title,
    status: kind.status,
    detail,
    instance,
    ...more,
    ...(errors !== undefined && { errors }),
  };
}

/** A problem as an HTTP answer. @param instance The id of the request. */
export function problemReply(problem: Problem, instance: string) {
  const { kind, retryAfterSeconds } = problem;
  const headers = {
    'cache-control': 'no-store',
    ...(kind.status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
  };
  return {
    status: kind.status,
    type: 'application/problem+json',
    headers,
    body: JSON.stringify(problemBody(problem, instance)),
  };
}
