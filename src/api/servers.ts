import type { FastifyInstance } from 'fastify';
import type { Settings } from '../config/settings.ts';
import { createApp } from '../http/app.ts';
import { addDocumentation } from '../http/documentation.ts';
import { addHealthRoutes, type ShownHealth } from '../http/health-routes.ts';
import { closeApp, listen } from '../http/listen.ts';
import { HTTP_PROBLEMS } from '../http/problems.ts';
import { ACCESS_PROBLEMS } from '../ingest/access.ts';
import { INGEST_PROBLEMS } from '../ingest/problems.ts';
import { addIngestRoutes, type IngestRouteOptions } from '../ingest/routes.ts';
import type { Logger } from '../runtime/logger.ts';
import { BODY_PROBLEMS, type Problem, type ProblemKind } from '../runtime/problem.ts';
import type { Service } from '../runtime/service.ts';
import { VERSION } from '../runtime/version.ts';

export type ServerParts = {
  readonly hostProblem: (host: string | undefined) => Problem | null;
  readonly health: ShownHealth;
  readonly ingest: IngestRouteOptions;
};

const LOOPBACK = '127.0.0.1';

type AppSettings = Pick<Settings, 'MAX_BODY_BYTES' | 'ROUTE_ALIASES'>;

function appOf(
  settings: AppSettings,
  log: Logger,
  { hostProblem }: Pick<ServerParts, 'hostProblem'>,
): FastifyInstance {
  return createApp({
    log,
    maxBodyBytes: settings.MAX_BODY_BYTES,
    hostProblem,
    aliases: settings.ROUTE_ALIASES,
  });
}

/** What PORT serves, with its documentation. */
export async function buildApi(
  settings: AppSettings,
  log: Logger,
  parts: ServerParts,
): Promise<FastifyInstance> {
  const app = appOf(settings, log, parts);
  await addDocumentation(app, { version: VERSION, problems: PROBLEMS });
  addIngestRoutes(app, parts.ingest);
  addHealthRoutes(app, parts.health);
  return app;
}

/** What ADMIN_PORT serves. */
function buildAdmin(settings: AppSettings, log: Logger, parts: ServerParts): FastifyInstance {
  const app = appOf(settings, log, parts);
  addHealthRoutes(app, parts.health);
  return app;
}

/** Every kind of problem that an answer may be, each once. */
export const PROBLEMS: readonly ProblemKind[] = [
  ...[BODY_PROBLEMS, HTTP_PROBLEMS, ACCESS_PROBLEMS, INGEST_PROBLEMS].flatMap((kinds): ProblemKind[] =>
    Object.values(kinds),
  ),
].sort((one, other) => one.status - other.status || one.slug.localeCompare(other.slug));

/** The two listeners: PORT, which the world may reach, and ADMIN_PORT for operators. */
export class ApiServers implements Service {
  readonly name = 'http servers';
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #parts: ServerParts;
  #world: FastifyInstance | null = null;
  #admin: FastifyInstance | null = null;
  #port = 0;
  #adminPort: number | null = null;

  constructor(settings: Settings, log: Logger, parts: ServerParts) {
    this.#settings = settings;
    this.#log = log;
    this.#parts = parts;
  }

  get port(): number {
    return this.#port;
  }

  /** Null if none is open. */
  get adminPort(): number | null {
    return this.#adminPort;
  }

  /** @throws {UserError} if a port cannot be opened. */
  async start(): Promise<void> {
    const { PORT, ADMIN_PORT, API_HOST, API_AUTH } = this.#settings;
    const host = API_HOST ?? (API_AUTH === 'open' ? LOOPBACK : undefined);
    this.#world = await buildApi(this.#settings, this.#log, this.#parts);
    this.#admin = buildAdmin(this.#settings, this.#log, this.#parts);
    if (ADMIN_PORT !== 0) {
      this.#adminPort = await listen(this.#admin, { setting: 'ADMIN_PORT', port: ADMIN_PORT, host });
    }
    this.#port = await listen(this.#world, { setting: 'PORT', port: PORT, host });
  }

  async stop(): Promise<void> {
    if (this.#world !== null) await closeApp(this.#world, this.#settings.SHUTDOWN_DRAIN_MS);
    if (this.#admin !== null) await closeApp(this.#admin, 0);
  }
}
