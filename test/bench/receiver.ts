import { startReceiver } from '../../src/receiver/receiver.ts';
import { cpuSeconds } from './process.ts';

/** What the bench says to its receiver, a process of its own so that its CPU time is nobody else's. */
export type ToReceiver =
  | { readonly ask: 'totals' }
  /** `watch`: the processes whose CPU time is read when the awaited request comes. */
  | { readonly ask: 'tell'; readonly atRequests: number; readonly watch: readonly number[] };

/** What was so when the awaited request had come. */
export type Mark = {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** CPU seconds so far, by process id; null where the system does not tell. */
  readonly cpu: Readonly<Record<number, number | null>>;
};

export type FromReceiver =
  | { readonly say: 'listening'; readonly url: string }
  | { readonly say: 'totals'; readonly requests: number; readonly webhookIds: number }
  | ({ readonly say: 'reached'; readonly atRequests: number } & Mark);

const say = (message: FromReceiver) => process.send?.(message);

/** Marks to be told, the next one first. */
const awaited: Extract<ToReceiver, { ask: 'tell' }>[] = [];

const [, , delayMs, status] = process.argv.map(Number);
const receiver = await startReceiver({ delayMs: delayMs!, status: status!, keepBodyBytes: 0 }, tell);

function tell(): void {
  const next = awaited[0];
  if (next === undefined || receiver.received().requests < next.atRequests) return;
  awaited.shift();
  // Read here and not by the bench, which hears of it a few milliseconds and some hundred requests later.
  const cpu = Object.fromEntries(next.watch.map((pid) => [pid, cpuSeconds(pid)]));
  say({ say: 'reached', atRequests: next.atRequests, at: Date.now(), cpu });
}

process.on('message', (message: ToReceiver) => {
  if (message.ask === 'tell') {
    awaited.push(message);
    awaited.sort((one, other) => one.atRequests - other.atRequests);
  } else {
    const { requests, webhookIds } = receiver.received();
    say({ say: 'totals', requests, webhookIds });
  }
});
process.on('disconnect', () => process.exit());
say({ say: 'listening', url: receiver.url });
