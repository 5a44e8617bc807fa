import { Agent, type Dispatcher } from 'undici';

/** The options of the generator, as JSON in its first argument. */
export type GeneratorTarget = {
  readonly url: string;
  readonly requests: number;
  /** How many requests are in flight. */
  readonly concurrency: number;
  readonly body: string;
};

/** Sends requests as fast as the receiver accepts them, without NATS. This measures the maximum of the receiver itself. */
const { url, requests, concurrency, body } = JSON.parse(process.argv[2]!) as GeneratorTarget;
const { origin, pathname: path } = new URL(url);
const headers = ['content-type', 'application/json'];
const agent = new Agent();
let sent = 0;

function send(): void {
  if (sent >= requests) return;
  sent++;
  const handler: Dispatcher.DispatchHandler = {
    // Without this method, undici treats the object as a handler of its older kind.
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
