import type { FastifyInstance } from 'fastify';
import { addBatchRoute, addDescribedRoute, type DescribedRouteOptions } from './described-routes.ts';
import { addNamedRoute, type NamedRouteOptions } from './named-route.ts';
import { problemSchema, receiptSchema, webhookSchema } from './schemas.ts';
import { addStatsRoute, type StatsRouteOptions } from './stats-route.ts';
import { addStoryRoute, type StoryRouteOptions } from './story-route.ts';

export type IngestRouteOptions = NamedRouteOptions &
  DescribedRouteOptions &
  StoryRouteOptions &
  StatsRouteOptions;

/** All routes that take webhooks. */
export function addIngestRoutes(app: FastifyInstance, options: IngestRouteOptions): void {
  app.decorateRequest('admitted', null);
  for (const schema of [problemSchema, receiptSchema, webhookSchema]) app.addSchema(schema);
  addDescribedRoute(app, '/webhooks', options);
  addBatchRoute(app, '/webhooks/batch', options);
  addStatsRoute(app, '/webhooks/stats', options);
  addNamedRoute(app, '/webhooks/:name', options);
  addStoryRoute(app, '/webhooks/:name/:id', options);
}
