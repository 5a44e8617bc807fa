import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { ProblemKind } from '../runtime/problem.ts';
import { type OpenApi, pageOf, STYLE } from './documentation-page.ts';

export type DocumentationOptions = {
  readonly version: string;
  /** Each has a paragraph, which the `type` of a problem links to. */
  readonly problems: readonly ProblemKind[];
};

const POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `/openapi.json` and a page of it at `/docs`. Call and await it before the routes are added: it reads their schemas. */
export async function addDocumentation(
  app: FastifyInstance,
  { version, problems }: DocumentationOptions,
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'nats-webhook-worker',
        version,
        description:
          'Takes webhooks and stores them in NATS; workers deliver them. 202 means stored, 503 means surely not stored, 504 means not confirmed.',
      },
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API key, `whk_…`. Not needed with API_AUTH=open.',
          },
        },
      },
      security: [{ apiKey: [] }],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `schema-${index}`),
    },
  });
  const document = () => app.swagger() as unknown as OpenApi;
  const hidden = { schema: { hide: true } as object };
  app.get('/openapi.json', hidden, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(document())),
  );
  app.get('/docs', hidden, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', POLICY)
      .header('x-content-type-options', 'nosniff')
      .send(pageOf(document(), problems)),
  );
  app.get('/docs.css', hidden, (_request, reply) => reply.type('text/css; charset=utf-8').send(STYLE));
}
