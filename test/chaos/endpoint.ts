import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { RequestHeader } from '../../src/core/request/header-names.ts';
import { MISBEHAVIOURS, UNFINISHED } from '../../src/receiver/misbehaviours.ts';
import type { EndpointRequest } from './evidence.ts';

/** An endpoint that misbehaves as its paths say, and records what it answered. It is healthy at first. */
export interface ChaosEndpoint {
  readonly url: string;
  /** From now on, each request is treated as its path says. */
  misbehave(): void;
  /** Answers hanging requests with 200, and later requests as a healthy endpoint. Accepts connections again after `leave`. */
  recover(): void;
  /** Breaks all connections, and refuses new ones until `recover`. */
  leave(): void;
  /** Breaks all connections. Resolves when every request is recorded. */
  close(): Promise<void>;
}

/** What a request meets: a healthy endpoint, or a misbehaviour. */
type Treatment = { readonly name: string; readonly detail: string } | null;

/** The body of a message that only some endpoints fail on: those whose path begins with `/poisoned`. */
export const POISON = { poison: true };
const POISONED = '/poisoned/';

/** Response time of a healthy path, in milliseconds. So some attempts are always in flight. */
const RESPONSE_MS = 200;

/**
 * A path names one of `MISBEHAVIOURS`, such as `/status/418` or `/hang`. With `/poisoned` before it, only messages with the body
 * `POISON` meet the misbehaviour. Other paths are always healthy.
 *
 * @param onRequest Called once for each request, when it is certain what was answered.
 */
export async function startChaosEndpoint(
  onRequest: (request: EndpointRequest) => void,
): Promise<ChaosEndpoint> {
  const hanging = new Set<ServerResponse>();
  const open = new Set<Promise<void>>();
  let isWell = true;

  const server = createServer((request, response) => {
    const path = request.url!.split('?')[0]!;
    const at = Date.now();
    const record = recordOnce((answer) => {
      const id = String(request.headers[RequestHeader.id]);
      onRequest({ id, endpoint: url + path, at, answer, answeredAt: Date.now() });
    });
    // After the end of the connection, a status counts as not sent, although Node would still emit `finish`.
    response.once('finish', () => record(response.statusCode));
    const closed = once(response, 'close').then(() => {
      record(null);
      open.delete(closed);
    });
    open.add(closed);
    void answer(path, request, response, record);
  });

  async function answer(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    record: (answer: number) => void,
  ): Promise<void> {
    const body = await text(request).catch(() => null);
    if (body === null) return;
    const treatment = isWell ? null : treatmentOf(path, body);
    if (treatment === null) {
      setTimeout(() => response.end(), isHealthy(path) ? RESPONSE_MS : 0);
      return;
    }
    const { name, detail } = treatment;
    // These never finish their answer. Its status makes the webhook delivered all the same.
    if (UNFINISHED.has(name)) record(name === 'flood' ? Number(detail) : 200);
    if (name === 'hang') hold(response);
    MISBEHAVIOURS[name]!(request, response, detail);
  }

  function hold(response: ServerResponse): void {
    hanging.add(response);
    response.once('close', () => hanging.delete(response));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const leave = () => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url,
    misbehave() {
      isWell = false;
    },
    recover() {
      isWell = true;
      for (const response of hanging) response.end();
      if (!server.listening) server.listen(port, '127.0.0.1');
    },
    leave,
    async close() {
      leave();
      await Promise.all(open);
    },
  };
}

function treatmentOf(path: string, body: string): Treatment {
  const isPoisoned = path.startsWith(POISONED);
  if (isPoisoned && body !== JSON.stringify(POISON)) return null;
  const [name = '', detail = ''] = path.slice(isPoisoned ? POISONED.length : 1).split('/');
  return Object.hasOwn(MISBEHAVIOURS, name) ? { name, detail } : null;
}

/** True if a path answers other messages than poisoned ones. */
function isHealthy(path: string): boolean {
  return path.startsWith(POISONED) || treatmentOf(path, '') === null;
}

function recordOnce(record: (answer: number | null) => void): (answer: number | null) => void {
  let isRecorded = false;
  return (answer) => {
    if (isRecorded) return;
    isRecorded = true;
    record(answer);
  };
}
