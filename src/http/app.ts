import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { BODY_PROBLEMS, type Problem, problemBody, problemReply } from '../runtime/problem.ts';
import { type RouteAlias, withoutAlias } from './aliases.ts';
import { HTTP_PROBLEMS, problemOfError } from './problems.ts';

export type AppOptions = {
  readonly log: Logger;
  /** The longest body that a route takes unless it says otherwise, in bytes. */
  readonly maxBodyBytes: number;
  /** Further paths of routes. */
  readonly aliases: readonly RouteAlias[];
  /** Why the host that a request names is not ours; null: it is. */
  readonly hostProblem: (host: string | undefined) => Problem | null;
};

/** How long a client may take to send a request, in milliseconds. Above: 408, so that slow clients hold no connection for ever. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the idle time of common proxies, which would else reuse a connection that has just been closed. */
const KEEP_ALIVE_MS = 72_000;
/** Longer than every name, so that the route, and not the router, says what is wrong with a name. */
const LONGEST_PARAMETER = 2000;
const STOPPING: Problem = {
  kind: HTTP_PROBLEMS.stopping,
  detail: 'The server stops. Nothing of this request was stored; repeat it.',
  retryAfterSeconds: 1,
};

/** An HTTP server without routes. Every answer that is not a success is a problem (RFC 9457). Bodies arrive as bytes. */
export function createApp({ log, maxBodyBytes, aliases, hostProblem }: AppOptions): FastifyInstance {
  const prefix = randomBytes(4).toString('hex');
  let requests = 0;
  const app = fastify({
    bodyLimit: maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // Written by the hook below: fastify's own answer is no problem of RFC 9457.
    return503OnClosing: false,
    genReqId: () => `${prefix}-${(++requests).toString(36)}`,
    rewriteUrl: ({ url = '/' }) => (aliases.length === 0 ? url : withoutAlias(url, aliases)),
    routerOptions: { maxParamLength: LONGEST_PARAMETER, ignoreDuplicateSlashes: false },
    frameworkErrors: (error, request, reply) => answerError(error, request, reply, log),
    clientErrorHandler: answerUnreadable,
  });
  // Routes check their bodies themselves, because they pass on the bytes as they came. Their schemas are for the documentation.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => JSON.stringify);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log));
  const methodsOf = followRoutes(app);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!;
    const allowed = methodsOf(path);
    if (allowed.length === 0) return sendProblem(request, reply, nothingAt(path));
    reply.header('allow', allowed.join(', '));
    return sendProblem(request, reply, {
      kind: HTTP_PROBLEMS.methodNotAllowed,
      detail: `This path takes ${allowed.join(' and ')}, and not ${request.method}.`,
    });
  });

  let isClosing = false;
  app.addHook('preClose', (done) => {
    isClosing = true;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    const problem = isClosing ? STOPPING : hostProblem(request.headers.host);
    if (problem === null) {
      done();
      return;
    }
    reply.header('connection', 'close');
    sendProblem(request, reply, problem);
  });
  return app;
}

/** @returns the methods that routes take at a path, sorted. */
function followRoutes(app: FastifyInstance): (path: string) => readonly string[] {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+');
    routes.push({ pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  return (path) => {
    const found = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(found)].sort();
  };
}

function nothingAt(path: string): Problem {
  const detail = `There is nothing at ${path.slice(0, 200)}. /docs lists what this server takes.`;
  return { kind: HTTP_PROBLEMS.notFound, detail };
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, type, headers, body } = problemReply(problem, request.id);
  return reply.code(status).type(type).headers(headers).send(body);
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const problem = problemOfError(error);
  if (problem === null) {
    const about = { error: errorMessage(error), path: request.routeOptions.url ?? '', request: request.id };
    log.error(about, 'http.request_failed');
  }
  const detail = 'The request failed, and the log of the server says why.';
  // The rest of a body that was not read would be taken for the next request.
  if (problem?.kind.status === BODY_PROBLEMS.tooLarge.status) reply.header('connection', 'close');
  sendProblem(request, reply, problem ?? { kind: HTTP_PROBLEMS.bug, detail });
}

const UNREADABLE: Readonly<Record<string, readonly [status: number, reason: string, detail: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers are too large.'],
};

/** Answers bytes that are no HTTP request. */
function answerUnreadable(error: Error, socket: Socket): void {
  if (errorCode(error) === 'ECONNRESET' || socket.destroyed) return;
  const known = UNREADABLE[errorCode(error) ?? ''];
  const [status, reason, detail] = known ?? [400, 'Bad Request', 'The request is not valid HTTP.'];
  const kind = { ...HTTP_PROBLEMS.badRequest, status };
  const body = JSON.stringify(problemBody({ kind, detail }, ''));
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}
