import { BODY_PROBLEMS, type PointedError, type Problem, type ProblemKind } from '../runtime/problem.ts';
import type { NotStored } from './store.ts';

/** The problems of requests that bring webhooks. docs/http-api.md has a paragraph for each. */
export const INGEST_PROBLEMS = {
  unreadableBody: { slug: 'unreadable-body', status: 400, title: 'The body cannot be read.' },
  badHeader: { slug: 'bad-header', status: 400, title: 'A header of the request is not valid.' },
  noName: { slug: 'no-name', status: 404, title: 'The text is no name of a webhook.' },
  unknownName: { slug: 'unknown-name', status: 404, title: 'No endpoint takes webhooks of this name.' },
  unknownWebhook: { slug: 'unknown-webhook', status: 404, title: 'No webhook with this id is known.' },
  statusUnknown: {
    slug: 'status-unknown',
    status: 503,
    title: 'What became of the webhook cannot be looked up now.',
  },
  statsTooSlow: {
    slug: 'stats-too-slow',
    status: 503,
    title: 'Counting the webhooks of 24 hours takes too long.',
  },
  invalid: { slug: 'invalid-webhook', status: 422, title: 'The body is not a valid webhook.' },
  badSignature: { slug: 'bad-signature', status: 401, title: 'The signature of the request is not valid.' },
  brokenSource: {
    slug: 'broken-source',
    status: 503,
    title: 'The source is configured wrongly. Nothing was stored.',
  },
  tooMany: {
    slug: 'too-many-requests',
    status: 429,
    title: 'The caller sends more webhooks than it may. Nothing was stored.',
  },
  keyReused: {
    slug: 'idempotency-key-reused',
    status: 422,
    title: 'The same idempotency key came with another body before.',
  },
  natsAway: { slug: 'nats-away', status: 503, title: 'NATS cannot be reached. Nothing was stored.' },
  noStream: { slug: 'no-stream', status: 503, title: 'No stream takes the webhook now. Nothing was stored.' },
  streamFull: { slug: 'stream-full', status: 503, title: 'The stream is full. Nothing was stored.' },
  busy: { slug: 'too-busy', status: 503, title: 'The server has too much to do. Nothing was stored.' },
  refused: { slug: 'refused-by-nats', status: 503, title: 'NATS refuses the webhook. Nothing was stored.' },
  oldWorkers: {
    slug: 'old-workers',
    status: 503,
    title:
      'A worker of an older version runs, and would not treat the webhook as it asks. Nothing was stored.',
  },
  unconfirmed: {
    slug: 'not-confirmed',
    status: 504,
    title: 'NATS did not confirm in time. The webhook may be stored.',
  },
} as const satisfies Record<string, ProblemKind>;

/** After how many seconds a request may be repeated. A full stream empties slowly. */
const SOON_S = 1;
const LATER_S = 10;

const OF_REFUSALS: Readonly<
  Record<NotStored, readonly [kind: ProblemKind, retryAfterSeconds: number | null]>
> = {
  away: [INGEST_PROBLEMS.natsAway, SOON_S],
  noStream: [INGEST_PROBLEMS.noStream, SOON_S],
  streamFull: [INGEST_PROBLEMS.streamFull, LATER_S],
  busy: [INGEST_PROBLEMS.busy, SOON_S],
  tooLarge: [BODY_PROBLEMS.tooLarge, null],
  denied: [INGEST_PROBLEMS.refused, LATER_S],
  invalid: [INGEST_PROBLEMS.invalid, null],
  refused: [INGEST_PROBLEMS.refused, LATER_S],
};

export function notStoredProblem(why: NotStored, detail: string): Problem {
  const [kind, retryAfterSeconds] = OF_REFUSALS[why];
  return {
    kind,
    detail: asSentence(detail),
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  };
}

/**
 * @param id The id of the webhook, under which a repetition stores it only once.
 * @param hasKey True: the key of the caller does the same.
 */
export function unconfirmedProblem(detail: string, id: string, hasKey: boolean): Problem {
  const repeat = hasKey
    ? 'Repeat the request with the same key'
    : `Repeat the request with the header "Idempotency-Key: ${id}"`;
  return {
    kind: INGEST_PROBLEMS.unconfirmed,
    detail: `${asSentence(detail)} The webhook may be stored. ${repeat}, and it is stored only once.`,
    retryAfterSeconds: SOON_S,
    more: { id },
  };
}

export function invalidProblem(errors: readonly PointedError[]): Problem {
  return {
    kind: INGEST_PROBLEMS.invalid,
    detail: errors.length === 1 ? 'The body has an error.' : `The body has ${errors.length} errors.`,
    errors,
  };
}

export function unknownNameProblem(name: string): Problem {
  const quoted = name.replaceAll("'", "''");
  return {
    kind: INGEST_PROBLEMS.unknownName,
    detail:
      `No row of rule_webhooks takes webhooks named "${name}", and no source has this name. Add an endpoint, which the server knows ` +
      `within a second: INSERT INTO rule_webhooks (webhook_name, url) VALUES ('${quoted}', 'https://example.com/hook')`,
  };
}

export function asSentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
}
