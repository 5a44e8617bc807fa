import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MOST_IN_BATCH, splitBatch } from '../core/ingest/batch.ts';
import { RequestHeader } from '../core/request/header-names.ts';
import { BODY_PROBLEMS, type Problem, problemBody } from '../runtime/problem.ts';
import type { Answer } from './acceptor.ts';
import type { Caller } from './caller.ts';
import { acceptDescribed, type Described, type DescribedOptions, describedIn } from './described-webhook.ts';
import { admitRequests, bodyOf, type IntakeOptions } from './intake.ts';
import { INGEST_PROBLEMS } from './problems.ts';
import { locationOf, receiptBody, sendProblem, sendReceipt } from './reply.ts';
import { batchSchema, describedSchema } from './schemas.ts';

export type DescribedRouteOptions = IntakeOptions & DescribedOptions;

/** The largest batch, in bytes. */
export const MOST_BATCH_BYTES = 16_000_000;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
const LINES_TYPE = /^application\/(?:x-ndjson|ndjson|jsonl|x-jsonl|json-lines)\s*(?:;|$)/i;
const LINES_ANSWER = 'application/x-ndjson';

/** `POST /webhooks`: the body says where the webhook goes. */
export function addDescribedRoute(app: FastifyInstance, url: string, options: DescribedRouteOptions): void {
  const { maxBytes } = options;
  const onRequest = admitRequests(options, {
    maxBytes,
    before: (request) => wrongType(request, [JSON_TYPE]),
  });
  app.post(url, { onRequest, schema: describedSchema }, (request, reply) =>
    handled(request, async () => {
      const body = await bodyOf(request, maxBytes());
      const described = 'kind' in body ? body : describedIn(body, maxBytes());
      if ('kind' in described) return sendProblem(request, reply, described);
      const key = keyOf(request);
      const answer = await acceptDescribed(described, request.admitted!.caller, key, options);
      return 'receipt' in answer
        ? sendReceipt(reply, answer.receipt)
        : sendProblem(request, reply, answer.problem);
    }),
  );
}

/** `POST /webhooks/batch`: up to MOST_IN_BATCH webhooks, as `POST /webhooks` takes them, with one result each. */
export function addBatchRoute(app: FastifyInstance, url: string, options: DescribedRouteOptions): void {
  const onRequest = admitRequests(options, {
    maxBytes: () => MOST_BATCH_BYTES,
    before: (request) => wrongType(request, [JSON_TYPE, LINES_TYPE]),
  });
  const route = { onRequest, bodyLimit: MOST_BATCH_BYTES, schema: batchSchema };
  app.post(url, route, (request, reply) =>
    handled(request, async () => {
      const isLines = LINES_TYPE.test(request.headers[RequestHeader.contentType] ?? '');
      const body = await bodyOf(request, MOST_BATCH_BYTES);
      const items = 'kind' in body ? body : itemsOf(body, isLines);
      if ('kind' in items) return sendProblem(request, reply, items);
      options.rate?.countBatch(request, items.length);
      const described = items.map((item) => describedIn(item, options.maxBytes()));
      const answers = await acceptAll(described, request.admitted!.caller, options);
      return sendResults(request, reply, answers, isLines);
    }),
  );
}

async function handled(request: FastifyRequest, work: () => Promise<FastifyReply>): Promise<FastifyReply> {
  const { admitted } = request;
  admitted!.isHandled = true;
  try {
    return await work();
  } finally {
    admitted!.release();
  }
}

function wrongType(request: FastifyRequest, allowed: readonly RegExp[]): Problem | null {
  const type = request.headers[RequestHeader.contentType];
  if (type !== undefined && allowed.some((pattern) => pattern.test(type))) return null;
  const lines = allowed.includes(LINES_TYPE) ? ', or application/x-ndjson for one webhook per line' : '';
  return {
    kind: BODY_PROBLEMS.unsupportedType,
    detail: `Send Content-Type: application/json${lines}.`,
  };
}

function keyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  return Array.isArray(key) ? key.join(', ') : key;
}

function itemsOf(body: Uint8Array, isLines: boolean): readonly Uint8Array[] | Problem {
  const batch = splitBatch(body, isLines);
  if ('line' in batch) {
    const { line, detail } = batch;
    return {
      kind: INGEST_PROBLEMS.unreadableBody,
      detail: `Line ${line}: ${detail} Nothing of the batch was stored.`,
      more: { line },
    };
  }
  if (batch.items.length <= MOST_IN_BATCH) return batch.items;
  return {
    kind: BODY_PROBLEMS.tooLarge,
    detail: `The batch has ${batch.items.length} webhooks; the most is ${MOST_IN_BATCH}. Nothing of it was stored.`,
  };
}

const BEHIND: Problem = {
  kind: INGEST_PROBLEMS.busy,
  detail:
    'An earlier webhook of the batch with the same ordering key was not stored, so this one was not tried.',
  retryAfterSeconds: 1,
};

/**
 * Accepts the webhooks of a batch at once, but those with one ordering key one after the other, in the order of the batch. After one
 * of them that is not stored for sure, the others of its key are not tried, because they would overtake it.
 */
async function acceptAll(
  described: readonly (Described | Problem)[],
  caller: Caller,
  options: DescribedOptions,
): Promise<Answer[]> {
  const lastOfKey = new Map<string, Promise<Answer>>();
  return Promise.all(
    described.map((item) => {
      if ('kind' in item) return { problem: item };
      const accept = () => acceptDescribed(item, caller, undefined, options);
      const key = item.fields.orderingKey;
      if (key === null) return accept();
      const before = lastOfKey.get(key);
      const answer =
        before === undefined
          ? accept()
          : before.then((last) => (isRetried(last) ? { problem: BEHIND } : accept()));
      lastOfKey.set(key, answer);
      return answer;
    }),
  );
}

/** True if the caller repeats it: it is not stored, or nobody knows. */
function isRetried(answer: Answer): boolean {
  return 'problem' in answer && answer.problem.kind.status >= 500;
}

/** 200 with one result per webhook. 503 only where nothing was stored, and the same batch may be repeated. */
function sendResults(
  request: FastifyRequest,
  reply: FastifyReply,
  answers: readonly Answer[],
  isLines: boolean,
): FastifyReply {
  const results = answers.map((answer) =>
    'receipt' in answer
      ? { status: 202, ...receiptBody(answer.receipt), location: locationOf(answer.receipt) }
      : problemBody(answer.problem, request.id),
  );
  const refusals = answers.flatMap((answer) => ('problem' in answer ? [answer.problem] : []));
  const waits = refusals.flatMap(({ retryAfterSeconds = 0 }) => retryAfterSeconds);
  const isRefused =
    refusals.length === answers.length &&
    refusals.some(({ kind }) => kind.status === 503) &&
    refusals.every(({ kind }) => kind.status !== 504);
  if (isRefused) reply.header('retry-after', String(Math.max(1, ...waits)));
  const body = isLines
    ? results.map((result) => `${JSON.stringify(result)}\n`).join('')
    : JSON.stringify({ results });
  return reply
    .code(isRefused ? 503 : 200)
    .type(isLines ? LINES_ANSWER : 'application/json')
    .send(body);
}
