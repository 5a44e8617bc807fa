import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Settings } from '../../config/settings.ts';
import { awaitArrivals, awaitQuiet } from '../../load/await-arrivals.ts';
import { Ledger } from '../../load/ledger.ts';
import { plannedCount, planOf } from '../../load/plan.ts';
import { type LoadReport, loadJson, loadTable, openAccounts } from '../../load/report.ts';
import { sendPlan } from '../../load/run-load.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { waitForStopSignal } from '../../runtime/stop-signal.ts';
import { sendFirst } from './first-message.ts';
import type { LoadFlags } from './flags.ts';
import { openGroup } from './group.ts';
import { firstMessage, idPrefix, messagesOf } from './messages.ts';
import { outboxOfRun } from './outbox-of-run.ts';
import { showProgress } from './progress.ts';
import { startLoadReceiver } from './receiver.ts';
import { wayOf } from './ways.ts';
import { readInvoice } from './write-invoice.ts';

/** What a run needs from outside. `pool`: null: the run does not use the outbox. */
export type LoadServers = {
  readonly settings: Settings;
  readonly client: NatsClient;
  readonly pool: pg.Pool | null;
};

/** Runs a load to its end, and prints the result. @returns the exit code. */
export async function runLoad(flags: LoadFlags, servers: LoadServers): Promise<number> {
  const { plan } = flags;
  const { settings, client, pool } = servers;
  const run = randomBytes(4).toString('hex');
  const [ledger, ofFirst] = [new Ledger(), new Ledger()];
  const stopping = stopOnSignal();
  const group = await openGroup(client, settings, pool === null ? null : outboxOfRun(pool, idPrefix(run)));
  const started: { close(): Promise<void> }[] = [];
  const wayTo = wayOf(flags, { ...servers, started });
  const isInvoices = flags.sample === 'invoices';
  const receiver =
    flags.receiver === null
      ? null
      : await startLoadReceiver(run, flags.receiver, {
          ledgers: { ofRun: ledger, ofFirst },
          read: isInvoices ? readInvoice : null,
        });
  if (receiver !== null) started.push(receiver);
  try {
    const { signal } = stopping;
    if (receiver !== null) {
      const port = wayTo(receiver.firstUrl);
      await sendFirst(firstMessage(run), { port, ledger: ofFirst, group, signal });
    }
    const port = wayTo(receiver?.url ?? flags.url);
    const hideProgress = showProgress(ledger, plannedCount(plan), receiver !== null);
    const startedAt = performance.now();
    const sending = await sendPlan({
      plan: planOf(plan),
      messageOf: messagesOf(run, flags),
      port,
      ledger,
      signal,
    });
    const look = () => group.look();
    const endOfWait = stopping.signalForWait();
    const gaveUp =
      receiver === null
        ? null
        : await awaitArrivals({ ledger, look, waitMs: flags.waitMs, signal: endOfWait });
    const tookMs = (ledger.lastArrivalAt() ?? performance.now()) - startedAt;
    // What must not arrive, and what arrives again, comes last.
    if (receiver !== null && gaveUp === null && pool !== null) await awaitQuiet({ look, signal: endOfWait });
    hideProgress();
    const missing = receiver === null ? [] : ledger.missing();
    const fates = missing.length === 0 ? new Map<string, string>() : await group.fates();
    const report: LoadReport = {
      run,
      via: typeof flags.via === 'string' ? flags.via : 'http',
      seed: plan.seed,
      sending,
      tookMs,
      totals: ledger.totals(),
      hasReceiver: receiver !== null,
      isOnceOnly: isInvoices,
      latencies: ledger.latencies(),
      refusals: ledger.refusals(),
      missing: missing.map((id) => ({ id, fate: fates.get(id) ?? null })),
      unconfirmed: ledger.unconfirmed(),
      gaveUp,
    };
    return print(report, flags);
  } finally {
    for (const part of started) await part.close();
  }
}

/** The first Ctrl-C ends sending, and the messages under way still arrive; the next one ends the command at once. */
function stopOnSignal(): { readonly signal: AbortSignal; signalForWait(): AbortSignal } {
  let current = new AbortController();
  const { signal } = current;
  void waitForStopSignal({ warn: () => {} }).then(() => {
    process.stderr.write(
      '\nStopping. The messages that were sent may still arrive; Ctrl-C ends the command at once.\n',
    );
    current.abort();
  });
  return {
    signal,
    signalForWait() {
      if (signal.aborted) current = new AbortController();
      return current.signal;
    },
  };
}

function print(report: LoadReport, { json, verify }: LoadFlags): number {
  const { totals, refusals, gaveUp, sending, seed } = report;
  process.stdout.write(json ? loadJson(report) : `${loadTable(report)}seed ${seed}\n`);
  const open = openAccounts(report);
  const lines = [
    ...refusals.map(([reason, count]) => `${count} refused: ${reason}`),
    ...open,
    ...(gaveUp === null ? [] : [gaveUp]),
  ];
  if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
  if (verify) return open.length === 0 ? 0 : 1;
  const hasDone = totals.accepted + totals.rolledBack > 0;
  return hasDone && sending.stoppedBy === null ? 0 : 1;
}
