import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cleanUpAfter } from '../support/clean-up.ts';

export type Answer = { readonly status: number; readonly body: unknown };

export type StandInRequest = {
  readonly method: string;
  readonly path: string;
  readonly request: IncomingMessage;
  /** The body of the request, unparsed. */
  readonly text: string;
};

export interface StandIn {
  readonly url: string;
  /** The answers so far. */
  readonly answers: readonly Answer[];
  /** Processes the next request, but closes its connection without an answer. */
  loseNextAnswer(): void;
}

/** Starts a fake of another company's service, which follows its published API. `cleanUpAfter` ends the fake. */
export async function startStandIn(answerTo: (received: StandInRequest) => Answer): Promise<StandIn> {
  const answers: Answer[] = [];
  let mustLoseAnswer = false;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '' } = request;
    const answer = answerTo({ method, path, request, text: Buffer.concat(chunks).toString() });
    answers.push(answer);
    if (mustLoseAnswer) request.socket.destroy();
    mustLoseAnswer = false;
    // On a kept connection, the worker would send the request again within the same attempt.
    response.writeHead(answer.status, { 'content-type': 'application/json', connection: 'close' });
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
      mustLoseAnswer = true;
    },
  };
}

/** The status that rejects a wrong token or a wrong Content-Type; null if both are right. */
export function rejectionStatus({ request }: StandInRequest, token: string): 401 | 415 | null {
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
