import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Problem } from '../runtime/problem.ts';
import { decodedBody, tooLarge } from './bodies.ts';
import { type Access, type Caller, isProblem, type Need, type SourceOfRequest } from './caller.ts';
import type { MemoryBound } from './memory-bound.ts';
import { INGEST_PROBLEMS } from './problems.ts';
import type { RateCheck } from './rate-check.ts';
import { sendProblem } from './reply.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the intake, before the body is read. */
    admitted: Admitted | null;
  }
}

/** A request that may be read. */
export type Admitted = {
  readonly caller: Caller;
  /** Gives back the memory that the request takes. */
  readonly release: () => void;
  /** The handler releases it, and not the end of the connection. */
  isHandled: boolean;
};

export type IntakeOptions = {
  readonly access: Access;
  readonly bound: MemoryBound;
  /** Null: a caller may send as many webhooks as it likes. */
  readonly rate: RateCheck | null;
};

/** What a route checks before the body is read, in this order: itself (`before`), the length, the caller, its rate, the memory. */
export type IntakeChecks = {
  /** The largest body of the route now, in bytes. */
  readonly maxBytes: () => number;
  /** What is wrong with the path; null: nothing. */
  readonly before?: (request: FastifyRequest) => Problem | null;
  /** The source that the request is for. */
  readonly source?: (request: FastifyRequest) => SourceOfRequest | null;
  /** What the caller must be allowed. Null: nothing in particular. */
  readonly need?: (request: FastifyRequest) => Need;
};

const BUSY: Problem = {
  kind: INGEST_PROBLEMS.busy,
  detail:
    'The server has as many requests in memory as it may. Nothing of this request was stored; repeat it.',
  retryAfterSeconds: 1,
};

/** The checks of a request before its body is read, so that what is refused costs little. */
export function admitRequests(
  { access, bound, rate }: IntakeOptions,
  checks: IntakeChecks,
): onRequestHookHandler {
  const { maxBytes, before, source, need } = checks;

  return (request, reply, done) => {
    const wrong = before?.(request) ?? lengthProblem(request, maxBytes());
    if (wrong !== null) {
      refuse(request, reply, wrong);
      return;
    }
    const end = (caller: Caller | Problem): void => {
      const refusal = isProblem(caller) ? caller : admit(request, reply, caller);
      if (refusal === null) done();
      else refuse(request, reply, refusal);
    };
    const caller = access.callerOf(request, source?.(request));
    if (caller instanceof Promise) caller.then(end, (error) => done(error));
    else end(caller);
  };

  function admit(request: FastifyRequest, reply: FastifyReply, caller: Caller): Problem | null {
    const missing = need === undefined ? null : caller.refusal(need(request));
    if (missing !== null) return missing;
    const tooMany = rate === null ? null : rate.refusal(request, caller);
    if (tooMany !== null) return tooMany;
    const release = bound.take(bytesOf(request, maxBytes()));
    if (release === null) return BUSY;
    const admitted = { caller, release, isHandled: false };
    request.admitted = admitted;
    reply.raw.once('close', () => {
      if (!admitted.isHandled) release();
    });
    return null;
  }
}

/** The decoded body, at most `limit` bytes. */
export function bodyOf(
  request: FastifyRequest,
  limit: number,
): Uint8Array | Problem | Promise<Uint8Array | Problem> {
  const body = (request.body as Uint8Array | undefined) ?? NO_BODY;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    return decodedBody(body, encoding, limit);
  return body.length > limit ? tooLarge(limit) : body;
}

const NO_BODY = Buffer.alloc(0);

function lengthProblem(request: FastifyRequest, limit: number): Problem | null {
  return Number(request.headers['content-length'] ?? 0) > limit ? tooLarge(limit) : null;
}

/** How much memory a request may take. What is compressed or of unknown length may become as large as it may. */
function bytesOf({ headers }: FastifyRequest, limit: number): number {
  const length = headers['content-length'];
  return length === undefined || headers['content-encoding'] !== undefined ? limit : Number(length);
}

function refuse(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  // The rest of a body that is not read would be taken for the next request.
  if (request.headers['content-length'] !== '0') reply.header('connection', 'close');
  sendProblem(request, reply, problem);
}
