import { randomBytes } from 'node:crypto';
import type { Settings } from '../../config/settings.ts';
import { isPublishable } from '../../core/subject.ts';
import { createPostClient } from '../../http/post-client.ts';
import { awaitArrivals } from '../../load/await-arrivals.ts';
import { Ledger } from '../../load/ledger.ts';
import { payloads } from '../../load/payload.ts';
import { type PlannedMessage, plannedCount, planOf } from '../../load/plan.ts';
import { type LoadReport, loadJson, loadTable, openAccounts } from '../../load/report.ts';
import { type SendPort, sendPlan } from '../../load/run-load.ts';
import { samplePayloads } from '../../load/samples.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { UserError } from '../../runtime/failure.ts';
import { waitForStopSignal } from '../../runtime/stop-signal.ts';
import { sendFirst } from './first-message.ts';
import type { LoadFlags } from './flags.ts';
import { openGroup } from './group.ts';
import { CONNECTIONS, httpWay } from './http-way.ts';
import type { LoadMessage } from './message.ts';
import { natsWay } from './nats-way.ts';
import { showProgress } from './progress.ts';
import { startLoadReceiver } from './receiver.ts';

/** How long a request to the HTTP API may take, in milliseconds. The API itself answers with 504 long before. */
const ANSWER_WITHIN_MS = 30_000;

/** Runs a load to its end, and prints the result. @returns the exit code. */
export async function runLoad(flags: LoadFlags, settings: Settings, client: NatsClient): Promise<number> {
  const { plan } = flags;
  const run = randomBytes(4).toString('hex');
  const subject = subjectOf(settings, flags.name);
  const [ledger, ofFirst] = [new Ledger(), new Ledger()];
  const stopping = stopOnSignal();
  const group = await openGroup(client, settings);
  const started: { close(): Promise<void> }[] = [];
  const receiver =
    flags.receiver === null
      ? null
      : await startLoadReceiver(run, flags.receiver, flags.receiver.url, { ofRun: ledger, ofFirst });
  if (receiver !== null) started.push(receiver);
  try {
    const { signal } = stopping;
    const wayTo = wayOf(flags, client, subject, started);
    if (receiver !== null) {
      const port = wayTo(receiver.firstUrl);
      const message = { id: `load-${run}-first`, body: Buffer.from('{"event":"load.started"}') };
      await sendFirst(message, { port, ledger: ofFirst, group, signal });
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
    const gaveUp =
      receiver === null
        ? null
        : await awaitArrivals({
            ledger,
            look: () => group.look(),
            waitMs: flags.waitMs,
            signal: stopping.signalForWait(),
          });
    hideProgress();
    const tookMs = (ledger.lastArrivalAt() ?? performance.now()) - startedAt;
    const missing = receiver === null ? [] : ledger.missing();
    const fates = missing.length === 0 ? new Map<string, string>() : await group.deadLetters();
    const report: LoadReport = {
      run,
      via: flags.via === 'nats' ? 'nats' : 'http',
      seed: plan.seed,
      sending,
      tookMs,
      totals: ledger.totals(),
      hasReceiver: receiver !== null,
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

/** `webhooks.*` gives `webhooks.load`. */
function subjectOf({ SUBJECT }: Settings, name: string): string {
  const subject = (SUBJECT[0] ?? 'webhooks.*').replace(/[*>]/g, name);
  if (isPublishable(subject)) return subject;
  throw new UserError(`--name: "${name}" cannot stand in a subject; use letters, digits, - and _.`, {
    exitCode: 2,
  });
}

type Way = (url: string | null) => SendPort<LoadMessage>;

/** How messages are handed over, to an endpoint or to a name. @param started Gets what must be closed at the end. */
function wayOf(
  { via, name }: LoadFlags,
  client: NatsClient,
  subject: string,
  started: { close(): Promise<void> }[],
): Way {
  if (via === 'nats') return (url) => natsWay(client, { subject, url });
  const { api, apiKey } = via;
  const posting = createPostClient(api, { connections: CONNECTIONS, timeoutMs: ANSWER_WITHIN_MS });
  started.push(posting);
  return (url) => httpWay(posting, { name, url, apiKey });
}

function messagesOf(run: string, { plan, events, sample }: LoadFlags) {
  const made = payloads(plan.seed);
  const sampled = sample === null ? null : samplePayloads(sample, { seed: plan.seed, run, now: Date.now() });
  const bodyOf = ({ number, bytes }: PlannedMessage): Buffer => {
    if (sampled !== null) return sampled(number);
    return events === null ? made(number, bytes) : events[(number - 1) % events.length]!.bytes;
  };
  return (planned: PlannedMessage): LoadMessage => ({
    id: `load-${run}-${planned.number}`,
    body: bodyOf(planned),
  });
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
  return totals.accepted === 0 || sending.stoppedBy !== null ? 1 : 0;
}
