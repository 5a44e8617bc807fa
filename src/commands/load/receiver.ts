import type { Ledger } from '../../load/ledger.ts';
import { type ReceiverOptions, startReceiver } from '../../receiver/receiver.ts';
import type { ArrivedInvoice } from './write-invoice.ts';

/** Of an event that is read, in bytes. */
const LARGEST_EVENT = 65_536;

export interface LoadReceiver {
  /** The endpoint for the messages of the run. Its path is of this run only. */
  readonly url: string;
  /** The endpoint for the first message. */
  readonly firstUrl: string;
  close(): Promise<void>;
}

export type Booking = {
  readonly ledgers: { readonly ofRun: Ledger; readonly ofFirst: Ledger };
  /**
   * What an event says of its endpoint and its order. An event at another endpoint is not counted. Null: events have one endpoint
   * and no order.
   */
  readonly read: ((body: Buffer) => ArrivedInvoice | null) | null;
};

/**
 * Starts a receiver that books each request. Requests to other paths are answered and not counted: they may be of an earlier run
 * that ended with messages under way.
 *
 * @param options `url`: under which URL workers reach the receiver; null: its own.
 */
export async function startLoadReceiver(
  run: string,
  { url: publicUrl, ...options }: ReceiverOptions & { readonly url: string | null },
  { ledgers, read }: Booking,
): Promise<LoadReceiver> {
  const runPath = `/load/${run}`;
  const firstPath = `/load/${run}/first`;
  const keepBodyBytes = read === null ? 0 : LARGEST_EVENT;
  const receiver = await startReceiver({ ...options, keepBodyBytes }, ({ path, webhookId, status, body }) => {
    if (webhookId === undefined) return;
    const event = read?.(body) ?? null;
    const place = event?.place;
    if (path === (event === null ? runPath : `${runPath}/${event.business}`))
      ledgers.ofRun.arrived(webhookId, performance.now(), status, place);
    // Whatever the receiver was told to answer, the first message has shown that workers reach it.
    if (path === firstPath) ledgers.ofFirst.arrived(webhookId, performance.now(), 200);
  });
  const base = (publicUrl ?? receiver.url).replace(/\/$/, '');
  return { url: base + runPath, firstUrl: base + firstPath, close: () => receiver.close() };
}
