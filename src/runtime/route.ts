/** The answer to a request to our own HTTP server. */
export type Reply = {
  readonly status: number;
  readonly type: 'application/json' | 'text/html; charset=utf-8' | 'text/plain; charset=utf-8';
  readonly body: string;
};

/** One path of our HTTP server. A plain value: `http/server.ts` serves it. */
export type Route = {
  readonly method: 'GET';
  readonly path: string;
  handle(): Promise<Reply>;
};

export function json(status: number, value: unknown): Reply {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}
