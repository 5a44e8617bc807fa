import type { FastifyInstance } from 'fastify';
import { addNamedRoute, type NamedRouteOptions } from './named-route.ts';

export type RouteOptions = NamedRouteOptions;

/** All routes that take webhooks. */
export function addRoutes(app: FastifyInstance, options: RouteOptions): void {
  app.decorateRequest('admitted', null);
  addNamedRoute(app, '/webhooks/:name', options);
}
