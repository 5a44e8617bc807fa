import { startReceiver } from '../../src/receiver/receiver.ts';
import { cpuSeconds } from './process.ts';

/** Messages from the bench to its receiver. The receiver is a process, so that its CPU time counts for no other program. */
export type ToReceiver =
  | { readonly ask: 'totals' }
  /** `watch` names the processes whose CPU time is read when the awaited request arrives. */
  | { readonly ask: 'tell'; readonly atRequests: number; readonly watch: readonly number[] };

/** The figures at the arrival of the awaited request. */
export type Mark = {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** CPU seconds so far, by process id; null if the system does not report them. */
  readonly cpu: Readonly<Record<number, number | null>>;
};

export type FromReceiver =
  | { readonly say: 'listening'; readonly url: string }
  | { readonly say: 'totals'; readonly requests: number; readonly webhookIds: number }
  | ({ readonly say: 'reached'; readonly atRequests: number } & Mark);

const say = (message: FromReceiver) => process.send?.(message);

/** The awaited marks, the next mark first. */
const awaited: Extract<ToReceiver, { ask: 'tell' }>[] = [];

const [, , delayMs, status] = process.argv.map(Number);
const receiver = await startReceiver({ delayMs: delayMs!, status: status!, keepBodyBytes: 0 }, tell);

function tell(): void {
  const next = awaited[0];
  if (next === undefined || receiver.received().requests < next.atRequests) return;
  awaited.shift();
  // The CPU time is read here, because the bench would read it a few milliseconds and some hundred requests later.
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
