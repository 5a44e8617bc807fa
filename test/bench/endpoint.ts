import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromReceiver, Mark, ToReceiver } from './receiver.ts';

/** The receiver of a bench. It is a process of its own. */
export interface BenchEndpoint {
  readonly url: string;
  totals(): Promise<{ requests: number; webhookIds: number }>;
  /**
   * Resolves when the receiver has the order. `reached` resolves when the requests have arrived.
   *
   * @param more How many further requests must arrive.
   * @param watch The processes whose CPU time is read when the requests have arrived.
   */
  afterRequests(more: number, watch?: readonly number[]): Promise<{ reached: Promise<Mark> }>;
  stop(): Promise<void>;
}

/**
 * @param delayMs The response time, in milliseconds.
 * @param status The status of every answer.
 */
export async function startBenchEndpoint(delayMs: number, status = 200): Promise<BenchEndpoint> {
  const child = fork(new URL('./receiver.js', import.meta.url), [String(delayMs), String(status)]);
  const send = (message: ToReceiver) => void child.send(message);

  function nextMessage<K extends FromReceiver['say']>(
    kind: K,
    fits: (message: Extract<FromReceiver, { say: K }>) => boolean = () => true,
  ): Promise<Extract<FromReceiver, { say: K }>> {
    return new Promise((resolve) => {
      const onMessage = (message: FromReceiver) => {
        if (message.say !== kind) return;
        const typed = message as Extract<FromReceiver, { say: K }>;
        if (!fits(typed)) return;
        child.off('message', onMessage);
        resolve(typed);
      };
      child.on('message', onMessage);
    });
  }

  async function totals() {
    const answer = nextMessage('totals');
    send({ ask: 'totals' });
    return answer;
  }

  const { url } = await nextMessage('listening');
  return {
    url,
    totals,
    async afterRequests(more, watch = []) {
      const atRequests = (await totals()).requests + more;
      const reached = nextMessage('reached', (message) => message.atRequests === atRequests);
      send({ ask: 'tell', atRequests, watch });
      // Messages keep their order: when the receiver answers, it has received the earlier message, too.
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
