import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { KEY_RULE, parseIdempotencyKey } from '../core/ingest/webhook-id.ts';
import { nameProblem } from '../core/ingest/webhook-name.ts';
import { Header } from '../core/message/nats-headers.ts';
import { RequestHeader } from '../core/request/header-names.ts';
import type { Problem } from '../runtime/problem.ts';
import type { Acceptor } from './acceptor.ts';
import { admitRequests, bodyOf, type IntakeOptions } from './intake.ts';
import { INGEST_PROBLEMS, unknownNameProblem } from './problems.ts';
import { sendProblem, sendReceipt } from './reply.ts';
import { namedSchema } from './schemas.ts';
import type { DeclaredFacts } from './source.ts';
import { createSourceCheck, type SourceCheckOptions } from './source-check.ts';
import type { Sources } from './sources.ts';

/** Who takes the webhooks of a name. */
export interface KnownNames {
  /** True, or unknown (null), because the rows cannot be read: the webhook is taken in. */
  isKnown(name: string): boolean | null | Promise<boolean | null>;
}

export type NamedRouteOptions = IntakeOptions &
  SourceCheckOptions & {
    readonly sources: Pick<Sources, 'find'>;
    readonly acceptor: Acceptor;
    readonly names: KnownNames;
    /** The largest body that the server takes now, in bytes. */
    readonly maxBytes: () => number;
  };

type Request = FastifyRequest<{ Params: { name: string } }>;

const TRACE_PARENT = Header.traceparent.toLowerCase();
const TRACE_STATE = Header.tracestate.toLowerCase();
const EVENT_TYPE = Header.eventType.toLowerCase();
const ORDERING_KEY = Header.orderingKey.toLowerCase();

/** `POST /webhooks/{name}`: the body is the payload, byte for byte, whatever it is. */
export function addNamedRoute(app: FastifyInstance, url: string, options: NamedRouteOptions): void {
  const { acceptor, names, sources, maxBytes } = options;
  const checkSource = createSourceCheck(options);
  const onRequest = admitRequests(options, {
    maxBytes,
    before: (request) => invalidName(nameOf(request)),
    source: (request) => sources.find(nameOf(request)),
    need: (request) => ({ publish: nameOf(request) }),
  });
  app.post<{ Params: { name: string } }>(url, { onRequest, schema: namedSchema }, async (request, reply) => {
    const admitted = request.admitted!;
    admitted.isHandled = true;
    try {
      return await answer(request, reply);
    } finally {
      admitted.release();
    }
  });

  async function answer(request: Request, reply: FastifyReply): Promise<FastifyReply> {
    const { name } = request.params;
    const { headers } = request;
    const source = sources.find(name);
    if (source === null && (await names.isKnown(name)) === false) {
      return sendProblem(request, reply, unknownNameProblem(name));
    }
    const body = await bodyOf(request, maxBytes());
    if ('kind' in body) return sendProblem(request, reply, body);
    const facts = source === null ? NO_FACTS : checkSource(source, headers, body);
    if ('kind' in facts) return sendProblem(request, reply, facts);
    // An empty key is a mistake, and not the wish for none: the caller relies on it.
    const given = headers['idempotency-key'];
    const ownKey = given === undefined ? null : parseIdempotencyKey([given].flat().join(', '));
    if (given !== undefined && ownKey === null) return sendProblem(request, reply, BAD_KEY);
    const answered = await acceptor.accept({
      parts: {
        name,
        body,
        contentType: headers[RequestHeader.contentType],
        eventType: textOf(headers[EVENT_TYPE]) ?? facts.eventType ?? undefined,
        eventId: facts.eventId ?? undefined,
        orderingKey: textOf(headers[ORDERING_KEY]),
        trace: { traceparent: textOf(headers[TRACE_PARENT]), tracestate: textOf(headers[TRACE_STATE]) },
      },
      scope: { name, tenant: request.admitted!.caller.id },
      key: ownKey ?? facts.idempotencyKey,
      isOwnKey: ownKey !== null,
      body,
    });
    return 'receipt' in answered
      ? sendReceipt(reply, answered.receipt)
      : sendProblem(request, reply, inWordsOf(headers, answered.problem));
  }
}

const NO_FACTS: DeclaredFacts = { idempotencyKey: null, eventType: null, eventId: null };
const BAD_KEY: Problem = { kind: INGEST_PROBLEMS.badHeader, detail: KEY_RULE };

function nameOf(request: FastifyRequest): string {
  return (request.params as { name: string }).name;
}

function invalidName(name: string): Problem | null {
  const detail = nameProblem(name);
  return detail === null ? null : { kind: INGEST_PROBLEMS.noName, detail };
}

/** The headers of the request that become fields of a webhook, by the pointer of the field. */
const HEADERS: ReadonlyMap<string, string> = new Map([
  ['/event_type', Header.eventType],
  ['/ordering_key', Header.orderingKey],
  ['/content_type', Header.contentType],
]);

/** The body is only data here: what is wrong with a field is wrong with a header, or with what the source reads from the request. */
function inWordsOf(headers: FastifyRequest['headers'], problem: Problem): Problem {
  const [error] = problem.errors ?? [];
  if (error === undefined) return problem;
  const header = HEADERS.get(error.pointer);
  if (header !== undefined && headers[header.toLowerCase()] !== undefined)
    return { kind: INGEST_PROBLEMS.badHeader, detail: `${header}: ${error.detail}` };
  const field = error.pointer.slice(1).replace('_', ' ');
  const detail = `The ${field} that the source reads from the request is not valid. ${error.detail}`;
  return { ...problem, errors: [{ pointer: '', detail }] };
}

/** Of a header that came several times, node:http makes one text. */
function textOf(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header.join(', ') : header;
  return text === '' ? undefined : text;
}
