import type { FastifyInstance } from 'fastify';
import { nameProblem } from '../core/ingest/webhook-name.ts';
import { isoTime } from '../core/time.ts';
import type { Problem } from '../runtime/problem.ts';
import type { AcceptedWebhook } from './acceptor.ts';
import { type Access, isProblem } from './caller.ts';
import { INGEST_PROBLEMS } from './problems.ts';
import { sendProblem } from './reply.ts';
import { storySchema } from './status-schemas.ts';

/** What became of one webhook at one endpoint. */
export type Story = {
  readonly endpoint: string | null;
  readonly status: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly deadLetterReason: string | null;
  readonly nextAttemptAt: Date | null;
  readonly firstAttemptAt: Date | null;
  readonly completedAt: Date | null;
};

/** What PostgreSQL knows of webhooks. Rejects while it is away. */
export interface Stories {
  /** Null: it is not written down (INGEST_LOG=off, or not yet). */
  received(id: string): Promise<AcceptedWebhook | null>;
  /** One entry per endpoint, from the first attempt on. */
  deliveries(id: string, name: string): Promise<readonly Story[]>;
}

export type StoryRouteOptions = {
  readonly access: Access;
  readonly stories: Stories;
  /** INGEST_LOG=on. */
  readonly isLogged: boolean;
};

const UNKNOWN_NOW: Problem = {
  kind: INGEST_PROBLEMS.statusUnknown,
  detail: 'PostgreSQL cannot be asked now. Deliveries go on without it.',
  retryAfterSeconds: 5,
};

/** `GET /webhooks/{name}/{id}`: what became of a webhook. */
export function addStoryRoute(
  app: FastifyInstance,
  url: string,
  { access, stories, isLogged }: StoryRouteOptions,
): void {
  app.get<{ Params: { name: string; id: string } }>(url, { schema: storySchema }, async (request, reply) => {
    const { name, id } = request.params;
    const wrong = nameProblem(name);
    if (wrong !== null) return sendProblem(request, reply, { kind: INGEST_PROBLEMS.noName, detail: wrong });
    const caller = await access.callerOf(request);
    if (isProblem(caller)) return sendProblem(request, reply, caller);
    const refusal = caller.refusal({ publish: name }) === null ? null : caller.refusal('read');
    if (refusal !== null) return sendProblem(request, reply, refusal);
    // PostgreSQL refuses the byte 0 in a text, so that no row has it.
    if (id.includes('\0')) return sendProblem(request, reply, unknown(isLogged));
    const found = await Promise.all([stories.received(id), stories.deliveries(id, name)]).catch(() => null);
    if (found === null) return sendProblem(request, reply, UNKNOWN_NOW);
    const [received, deliveries] = found;
    const own = received?.name === name ? received : null;
    if (own === null && deliveries.length === 0) return sendProblem(request, reply, unknown(isLogged));
    return reply
      .type('application/json')
      .header('cache-control', 'no-store')
      .send(
        JSON.stringify({
          id,
          name,
          received: own && receivedBody(own),
          deliveries: deliveries.map(storyBody),
        }),
      );
  });
}

function unknown(isLogged: boolean): Problem {
  const detail = isLogged
    ? 'No webhook of this name has this id, or its rows were deleted after ATTEMPT_RETENTION_DAYS.'
    : 'No attempt of a webhook with this name and id is known. A webhook is known from its first attempt on; with INGEST_LOG=on, from its 202 on.';
  return { kind: INGEST_PROBLEMS.unknownWebhook, detail };
}

function receivedBody({ eventType, eventId, sequence, receivedAt }: AcceptedWebhook) {
  return { event_type: eventType, event_id: eventId, sequence, received_at: isoTime(receivedAt) };
}

function storyBody(story: Story) {
  return {
    endpoint: story.endpoint,
    status: story.status,
    attempts: story.attempts,
    last_status: story.lastStatus,
    last_error: story.lastError,
    dead_letter_reason: story.deadLetterReason,
    next_attempt_at: story.nextAttemptAt,
    first_attempt_at: story.firstAttemptAt,
    completed_at: story.completedAt,
  };
}
