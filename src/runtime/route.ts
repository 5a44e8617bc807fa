/** What a request to our own HTTP server gives. */
export type Reply = {
  readonly status: number;
  readonly type: 'application/json' | 'text/html; charset=utf-8' | 'text/plain; charset=utf-8';
  readonly body: string;
};

/** One thing that our HTTP server answers. A plain value: `http/server.ts` mounts it. */
export type Route = {
  readonly method: 'GET';
  readonly path: string;
  handle(): Promise<Reply>;
};

export function json(status: number, value: unknown): Reply {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}
