import type { Ledger } from '../../load/ledger.ts';
import { progressLine } from '../../load/report.ts';
import { every } from '../../runtime/every.ts';

/** On a terminal, one line is drawn again and again; else each line is a new one. In milliseconds. */
const REDRAW_MS = 500;
const LINE_EVERY_MS = 5000;
const ERASE_LINE = '\r\x1b[2K';

/**
 * Shows on standard error how far a run is, so that standard output holds the result alone.
 *
 * @param planned How many messages the plan has; null: unknown.
 * @returns A function that ends the display.
 */
export function showProgress(ledger: Ledger, planned: number | null, hasReceiver: boolean): () => void {
  const { isTTY } = process.stderr;
  let before = { sent: 0, at: performance.now() };
  const stop = every(isTTY ? REDRAW_MS : LINE_EVERY_MS, () => {
    const totals = ledger.totals();
    const now = performance.now();
    const perSecond = Math.round(((totals.sent - before.sent) / (now - before.at)) * 1000);
    before = { sent: totals.sent, at: now };
    const line = progressLine(
      totals,
      { planned, perSecond, p99: ledger.latencies()?.p99 ?? null },
      hasReceiver,
    );
    process.stderr.write(isTTY ? `${ERASE_LINE}${line}` : `${line}\n`);
  });
  return () => {
    stop();
    if (isTTY) process.stderr.write(ERASE_LINE);
  };
}
