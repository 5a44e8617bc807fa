import type { FastifyInstance } from 'fastify';

/** A program as its health routes show it. Answers from memory. */
export interface ShownHealth {
  /** False: only a restart helps. */
  readonly isLive: boolean;
  answer(): { readonly status: 'ok' | 'degraded' | 'failing' | 'draining'; readonly checks: object };
}

const healthSchema = {
  $id: 'Health',
  type: 'object',
  required: ['status', 'checks'],
  properties: {
    status: { enum: ['ok', 'degraded', 'failing', 'draining'] },
    checks: {
      type: 'object',
      description: 'By the name of the part: nats, postgres, storage, keys.',
      additionalProperties: {
        type: 'object',
        required: ['ok', 'since', 'detail'],
        properties: {
          ok: { type: 'boolean' },
          since: { type: 'string', format: 'date-time' },
          detail: { type: ['string', 'null'] },
        },
      },
    },
  },
} as const;

const shown = (description: string) => ({
  description,
  content: { 'application/json': { schema: { $ref: 'Health#' } } },
});

/** `/health` and `/health/ready`: 200 while requests are taken. `/health/live`: 200 while a restart would not help. No key is needed. */
export function addHealthRoutes(app: FastifyInstance, health: ShownHealth): void {
  app.addSchema(healthSchema);
  for (const [path, operationId] of [
    ['/health', 'health'],
    ['/health/ready', 'healthReady'],
  ] as const) {
    const schema = {
      operationId,
      summary: 'Whether webhooks are taken in now',
      tags: ['health'],
      response: { 200: shown('ok or degraded'), 503: shown('failing or draining') },
    };
    app.get(path, { schema }, (_request, reply) => {
      const answer = health.answer();
      const serves = answer.status === 'ok' || answer.status === 'degraded';
      return reply
        .code(serves ? 200 : 503)
        .type('application/json')
        .header('cache-control', 'no-store')
        .send(JSON.stringify(answer));
    });
  }
  const schema = {
    operationId: 'healthLive',
    summary: 'Whether a restart would help',
    tags: ['health'],
    response: {
      200: { description: 'A restart would not help', content: { 'application/json': { schema: {} } } },
      503: { description: 'Only a restart helps', content: { 'application/json': { schema: {} } } },
    },
  };
  app.get('/health/live', { schema }, (_request, reply) =>
    reply
      .code(health.isLive ? 200 : 503)
      .type('application/json')
      .header('cache-control', 'no-store')
      .send(JSON.stringify({ live: health.isLive })),
  );
}
