import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cleanUpAfter } from '../support/clean-up.ts';

export type Answer = { readonly status: number; readonly body: unknown };

export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly request: IncomingMessage;
  /** As it came. */
  readonly text: string;
};

export interface StandIn {
  readonly url: string;
  /** What was answered so far. */
  readonly answers: readonly Answer[];
  /** Does what the next request asks for, and breaks off before the answer. */
  loseNextAnswer(): void;
}

/** A service of somebody else's, as its API is published; it ends as `cleanUpAfter` says. */
export async function startStandIn(answerTo: (asked: Asked) => Answer): Promise<StandIn> {
  const answers: Answer[] = [];
  let isLost = false;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '' } = request;
    const answer = answerTo({ method, path, request, text: Buffer.concat(chunks).toString() });
    answers.push(answer);
    if (isLost) request.socket.destroy();
    isLost = false;
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUpAfter(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    loseNextAnswer: () => {
      isLost = true;
    },
  };
}

/** Why a request is not even read; null: its token and its Content-Type are right. */
export function refused({ request }: Asked, token: string): 401 | 415 | null {
  if (request.headers.authorization !== `Bearer ${token}`) return 401;
  return /^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '') ? null : 415;
}

/** The members of a JSON object; null for anything else. */
export function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
