import { startReceiver } from '../../src/receiver/receiver.ts';

/** What the bench says to its receiver, a process of its own so that its CPU time is nobody else's. */
export type ToReceiver = { readonly ask: 'totals' } | { readonly ask: 'tell'; readonly atRequests: number };

export type FromReceiver =
  | { readonly say: 'listening'; readonly url: string }
  | { readonly say: 'totals'; readonly requests: number; readonly webhookIds: number }
  /** `at`: milliseconds since 1970, when the awaited request had come. */
  | { readonly say: 'reached'; readonly at: number };

const say = (message: FromReceiver) => process.send?.(message);

let tellAt = Number.POSITIVE_INFINITY;

const [, , delayMs, status] = process.argv.map(Number);
const receiver = await startReceiver({ delayMs: delayMs!, status: status!, keepBodyBytes: 0 }, tell);

function tell(): void {
  if (receiver.received().requests < tellAt) return;
  tellAt = Number.POSITIVE_INFINITY;
  say({ say: 'reached', at: Date.now() });
}

process.on('message', (message: ToReceiver) => {
  if (message.ask === 'tell') {
    tellAt = message.atRequests;
  } else {
    const { requests, webhookIds } = receiver.received();
    say({ say: 'totals', requests, webhookIds });
  }
});
process.on('disconnect', () => process.exit());
say({ say: 'listening', url: receiver.url });
