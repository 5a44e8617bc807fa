import type { FastifyInstance } from 'fastify';
import type { Settings } from '../config/settings.ts';
import { createApp } from '../http/app.ts';
import { addHealthRoutes, type ShownHealth } from '../http/health-routes.ts';
import { closeApp, listen } from '../http/listen.ts';
import { addIngestRoutes, type IngestRouteOptions } from '../ingest/routes.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Problem } from '../runtime/problem.ts';
import type { Service } from '../runtime/service.ts';

export type ServerParts = {
  readonly hostProblem: (host: string | undefined) => Problem | null;
  readonly health: ShownHealth;
  readonly ingest: IngestRouteOptions;
};

const LOOPBACK = '127.0.0.1';

/** The two listeners: PORT, which the world may reach, and ADMIN_PORT for operators. */
export class ApiServers implements Service {
  readonly name = 'http servers';
  readonly #settings: Settings;
  readonly #world: FastifyInstance;
  readonly #admin: FastifyInstance;
  #port = 0;
  #adminPort: number | null = null;

  constructor(settings: Settings, log: Logger, { hostProblem, health, ingest }: ServerParts) {
    this.#settings = settings;
    const options = {
      log,
      maxBodyBytes: settings.MAX_BODY_BYTES,
      hostProblem,
      aliases: settings.ROUTE_ALIASES,
    };
    this.#world = createApp(options);
    addIngestRoutes(this.#world, ingest);
    addHealthRoutes(this.#world, health);
    this.#admin = createApp(options);
    addHealthRoutes(this.#admin, health);
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
    if (ADMIN_PORT !== 0) {
      this.#adminPort = await listen(this.#admin, { setting: 'ADMIN_PORT', port: ADMIN_PORT, host });
    }
    this.#port = await listen(this.#world, { setting: 'PORT', port: PORT, host });
  }

  async stop(): Promise<void> {
    await closeApp(this.#world, this.#settings.SHUTDOWN_DRAIN_MS);
    await closeApp(this.#admin, 0);
  }
}
