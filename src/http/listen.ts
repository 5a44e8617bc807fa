import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { every } from '../runtime/every.ts';
import { errorCode, errorMessage, UserError } from '../runtime/failure.ts';
import { withTimeout } from '../runtime/with-timeout.ts';

/** All addresses of this machine, and what to listen on where it has no IPv6. */
const ALL = '::';
const ALL_IPV4 = '0.0.0.0';

/**
 * @param setting The setting that gives the port: it is named in errors.
 * @param host Undefined: all addresses of this machine.
 * @returns The port that the server listens on.
 * @throws {UserError} if the port is in use, or needs more rights, or the address is not one of this machine.
 */
export async function listen(
  app: FastifyInstance,
  { setting, port, host }: { setting: string; port: number; host?: string | undefined },
): Promise<number> {
  try {
    await app.listen({ port, host: host ?? ALL }).catch((error) => {
      if (host !== undefined || !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(errorCode(error) ?? ''))
        throw error;
      return app.listen({ port, host: ALL_IPV4 });
    });
  } catch (error) {
    throw cannotListen(setting, port, host, error);
  }
  return (app.server.address() as AddressInfo).port;
}

/** How often connections without a request are closed during a stop, in milliseconds. Clients keep them open for their next request. */
const CLOSE_IDLE_EVERY_MS = 50;

/** Stops listening, and answers the requests under way. After `drainMs`, the connections of the others are closed. */
export async function closeApp(app: FastifyInstance, drainMs: number): Promise<void> {
  const stopTimer = every(CLOSE_IDLE_EVERY_MS, () => app.server.closeIdleConnections());
  await withTimeout(drainMs, app.close());
  stopTimer();
  app.server.closeAllConnections();
}

function cannotListen(setting: string, port: number, host: string | undefined, error: unknown): UserError {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new UserError(
        `${setting}: port ${port} is in use. Stop the other program, or set ${setting} to another port.`,
      );
    case 'EACCES':
      return new UserError(`${setting}: port ${port} needs more rights. Set one from 1024 on.`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(
        `API_HOST: ${host} is not an address of this machine. Set one, or leave API_HOST empty.`,
      );
    default:
      return new UserError(`${setting}: cannot listen on port ${port}: ${errorMessage(error)}.`, {
        cause: error,
      });
  }
}
