import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromReceiver, ToReceiver } from './receiver.ts';

/** The receiver of a bench, in its own process. */
export interface BenchEndpoint {
  readonly url: string;
  totals(): Promise<{ requests: number; webhookIds: number }>;
  /** Resolves to when so many more requests had come than there are now: milliseconds since 1970. */
  afterRequests(more: number): Promise<{ reached: Promise<number> }>;
  stop(): Promise<void>;
}

/**
 * @param delayMs How long it takes, in milliseconds.
 * @param status What it answers.
 */
export async function startBenchEndpoint(delayMs: number, status = 200): Promise<BenchEndpoint> {
  const child = fork(new URL('./receiver.js', import.meta.url), [String(delayMs), String(status)]);
  const send = (message: ToReceiver) => void child.send(message);

  function told<K extends FromReceiver['say']>(kind: K): Promise<Extract<FromReceiver, { say: K }>> {
    return new Promise((resolve) => {
      const onMessage = (message: FromReceiver) => {
        if (message.say !== kind) return;
        child.off('message', onMessage);
        resolve(message as Extract<FromReceiver, { say: K }>);
      };
      child.on('message', onMessage);
    });
  }

  async function totals() {
    const answer = told('totals');
    send({ ask: 'totals' });
    return answer;
  }

  const { url } = await told('listening');
  return {
    url,
    totals,
    async afterRequests(more) {
      const { requests } = await totals();
      const reached = told('reached').then(({ at }) => at);
      send({ ask: 'tell', atRequests: requests + more });
      // Messages keep their order: once it answers, it has also heard what was said before.
      await totals();
      return { reached };
    },
    async stop() {
      if (child.exitCode !== null) return;
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
