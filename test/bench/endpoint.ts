import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromReceiver, Mark, ToReceiver } from './receiver.ts';

/** The receiver of a bench, in its own process. */
export interface BenchEndpoint {
  readonly url: string;
  totals(): Promise<{ requests: number; webhookIds: number }>;
  /**
   * Resolves once the receiver listens for it.
   *
   * @param more How many more requests are to come than there are now.
   * @param watch The processes whose CPU time is read when they have come.
   */
  afterRequests(more: number, watch?: readonly number[]): Promise<{ reached: Promise<Mark> }>;
  stop(): Promise<void>;
}

/**
 * @param delayMs How long it takes, in milliseconds.
 * @param status What it answers.
 */
export async function startBenchEndpoint(delayMs: number, status = 200): Promise<BenchEndpoint> {
  const child = fork(new URL('./receiver.js', import.meta.url), [String(delayMs), String(status)]);
  const send = (message: ToReceiver) => void child.send(message);

  function told<K extends FromReceiver['say']>(
    kind: K,
    fits: (message: Extract<FromReceiver, { say: K }>) => boolean = () => true,
  ): Promise<Extract<FromReceiver, { say: K }>> {
    return new Promise((resolve) => {
      const onMessage = (message: FromReceiver) => {
        if (message.say !== kind) return;
        const told = message as Extract<FromReceiver, { say: K }>;
        if (!fits(told)) return;
        child.off('message', onMessage);
        resolve(told);
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
    async afterRequests(more, watch = []) {
      const atRequests = (await totals()).requests + more;
      const reached = told('reached', (message) => message.atRequests === atRequests);
      send({ ask: 'tell', atRequests, watch });
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
