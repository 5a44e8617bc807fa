import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Problem, problemReply } from '../runtime/problem.ts';
import type { Receipt } from './acceptor.ts';

/** Where the webhook can be asked for. */
export function locationOf({ name, id }: Pick<Receipt, 'name' | 'id'>): string {
  return `/webhooks/${encodeURIComponent(name)}/${id}`;
}

/** 202: the stream has the webhook. */
export function sendReceipt(reply: FastifyReply, receipt: Receipt): FastifyReply {
  return reply
    .code(202)
    .type('application/json')
    .header('location', locationOf(receipt))
    .send(JSON.stringify(receiptBody(receipt)));
}

export function receiptBody({ id, stream, sequence, duplicate }: Receipt) {
  return { ok: true, id, stream, sequence, duplicate };
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, type, headers, body } = problemReply(problem, request.id);
  return reply.code(status).type(type).headers(headers).send(body);
}
