import { Agent, type Dispatcher } from 'undici';

/** What the generator is told, as JSON in its first argument. */
export type GeneratorTarget = {
  readonly url: string;
  readonly requests: number;
  /** Requests under way at once. */
  readonly concurrency: number;
  readonly body: string;
};

/** Sends requests as fast as the receiver takes them, without NATS: what the receiver itself can do at most. */
const { url, requests, concurrency, body } = JSON.parse(process.argv[2]!) as GeneratorTarget;
const { origin, pathname: path } = new URL(url);
const headers = ['content-type', 'application/json'];
const agent = new Agent();
let sent = 0;

function send(): void {
  if (sent >= requests) return;
  sent++;
  const handler: Dispatcher.DispatchHandler = {
    // Without it, undici takes this for a handler of its older kind.
    onRequestStart() {},
    onResponseEnd: send,
    onResponseError: (_controller, error) => {
      throw error;
    },
  };
  agent.dispatch({ origin, path, method: 'POST', headers, body }, handler);
}

for (let started = 0; started < concurrency; started++) send();
// The bench ends this process when it has measured.
setInterval(() => {}, 60_000);
