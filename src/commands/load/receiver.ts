import type { Ledger } from '../../load/ledger.ts';
import { type ReceiverOptions, startReceiver } from '../../receiver/receiver.ts';

export interface LoadReceiver {
  /** The endpoint for the messages of the run. Its path is of this run only. */
  readonly url: string;
  /** The endpoint for the first message. */
  readonly firstUrl: string;
  close(): Promise<void>;
}

/**
 * Starts a receiver that books each request. Requests to other paths are answered and not counted: they may be of an earlier run
 * that ended with messages under way.
 *
 * @param publicUrl Under which URL workers reach the receiver; null: its own.
 */
export async function startLoadReceiver(
  run: string,
  options: ReceiverOptions,
  publicUrl: string | null,
  ledgers: { readonly ofRun: Ledger; readonly ofFirst: Ledger },
): Promise<LoadReceiver> {
  const runPath = `/load/${run}`;
  const firstPath = `/load/${run}/first`;
  const receiver = await startReceiver({ ...options, keepBodyBytes: 0 }, ({ path, webhookId, status }) => {
    if (webhookId === undefined) return;
    if (path === runPath) ledgers.ofRun.arrived(webhookId, performance.now(), status);
    // Whatever the receiver was told to answer, the first message has shown that workers reach it.
    if (path === firstPath) ledgers.ofFirst.arrived(webhookId, performance.now(), 200);
  });
  const base = (publicUrl ?? receiver.url).replace(/\/$/, '');
  return { url: base + runPath, firstUrl: base + firstPath, close: () => receiver.close() };
}
