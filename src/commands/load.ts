import { randomBytes } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { isPublishable } from '../core/subject.ts';
import { awaitArrivals } from '../load/await-arrivals.ts';
import { Ledger } from '../load/ledger.ts';
import { payloads } from '../load/payload.ts';
import { plannedCount, planOf } from '../load/plan.ts';
import { type LoadReport, loadJson, loadTable, openAccounts } from '../load/report.ts';
import { sendPlan } from '../load/run-load.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import type { Command } from '../runtime/command.ts';
import { UserError } from '../runtime/failure.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { openNats } from './connect/open-nats.ts';
import { commandSettings } from './connect/tool-settings.ts';
import { sendFirst } from './load/first-message.ts';
import { type LoadFlags, readLoadFlags } from './load/flags.ts';
import { openGroup } from './load/group.ts';
import { natsWay } from './load/nats-way.ts';
import { showProgress } from './load/progress.ts';
import { startLoadReceiver } from './load/receiver.ts';

export const command: Command = {
  summary: 'simulates publishers: sends webhooks at a rate, and counts what arrives',
  help: `
Usage: load [flags]

Where the webhooks go, one of these:
  --receiver        an endpoint of its own, which counts what arrives, by webhook-id
  --url URL         an endpoint of yours. What arrives there is not counted
  --name NAME       the payload alone, to webhooks.NAME: workers send it to the rows of rule_webhooks that match

What is sent when:
  --rate RATE       messages per second, up to 100000 (2000), or the time from one to the next (30s) (default 100). Messages
                    are sent when they are due, however slow the service is, and latency counts from then
  --count N         how many messages, up to 1000000
  --duration TIME   for how long (default 10s, unless --count or --file is given)
  --burst N         how many messages are due at the same time, at the same average rate: 50, or at random 1..100 (default 1)
  --size BYTES      the size of each payload, from 64: 300, or at random 200..4000 (default 300)
  --seed N          repeats the bursts, the sizes and the payloads of an earlier run (default: random; printed)
  --file PATH       the payloads: a folder of .json files, or a file with one event per line (-: standard input). Each
                    event once, or again and again until --count or --duration is reached

The receiver:
  --host ADDRESS    address to listen on (default 127.0.0.1)
  --port N          port to listen on; 0: any free port (default 0)
  --receiver-url URL  the URL under which workers reach it, if that is another one
  --delay-ms N      wait before each answer, in milliseconds or as 2s (default 0)
  --fail-first N    answer the first N attempts of each webhook with 500 (default 0)

The end:
  --wait TIME       how long no request may come before missing webhooks count as lost (default 90s)
  --verify          exit code 1 unless every message is accounted for; the missing ids are printed. Needs --receiver
  --json            print the result as one line of JSON, for programs

At the end a table says what was sent, delivered, doubled and lost, and how long the webhooks took from when they were due to
their receipt. A worker must run, and --receiver needs its address in ALLOWED_PRIVATE_CIDRS of the workers, as it is in the
worker of \`npm start\`. Servers: NATS_URL; if it is not set, the servers of a running \`npm start\` of this clone.

  load --rate 2000 --duration 20s --receiver --verify
  load --rate 200 --burst 1..100 --size 200..4000 --receiver --seed 7
`,
  async run(args) {
    const flags = await readLoadFlags(args);
    const settings = commandSettings();
    const client = await openNats(settings, 'nats-webhook-worker load');
    try {
      return await runLoad(flags, settings, client);
    } finally {
      await client.close();
    }
  },
};

async function runLoad(flags: LoadFlags, settings: Settings, client: NatsClient): Promise<number> {
  const { plan } = flags;
  const run = randomBytes(4).toString('hex');
  const subject = subjectOf(settings, flags.name);
  const [ledger, ofFirst] = [new Ledger(), new Ledger()];
  const stopping = stopOnSignal();
  const group = await openGroup(client, settings);
  const receiver =
    flags.receiver === null
      ? null
      : await startLoadReceiver(run, flags.receiver, flags.receiver.url, { ofRun: ledger, ofFirst });
  try {
    const { signal } = stopping;
    if (receiver !== null) {
      const port = natsWay(client, { subject, url: receiver.firstUrl });
      const message = { id: `load-${run}-first`, body: Buffer.from('{"event":"load.started"}') };
      await sendFirst(message, { port, ledger: ofFirst, group, signal });
    }
    const port = natsWay(client, { subject, url: receiver?.url ?? flags.url });
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
    const fates = ledger.missing().length === 0 ? new Map<string, string>() : await group.deadLetters();
    const report: LoadReport = {
      run,
      via: 'nats',
      seed: plan.seed,
      sending,
      tookMs,
      totals: ledger.totals(),
      hasReceiver: receiver !== null,
      latencies: ledger.latencies(),
      refusals: ledger.refusals(),
      missing: ledger.missing().map((id) => ({ id, fate: fates.get(id) ?? null })),
      unconfirmed: ledger.unconfirmed(),
      gaveUp,
    };
    return print(report, flags);
  } finally {
    await receiver?.close();
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

function messagesOf(run: string, { plan, events }: LoadFlags) {
  const make = payloads(plan.seed);
  return ({ number, bytes }: { readonly number: number; readonly bytes: number }) => ({
    id: `load-${run}-${number}`,
    body: events === null ? make(number, bytes) : events[(number - 1) % events.length]!.bytes,
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
  const { totals, refusals, gaveUp, sending, hasReceiver, seed } = report;
  process.stdout.write(json ? loadJson(report) : `${loadTable(report)}seed ${seed}\n`);
  const open = hasReceiver ? openAccounts(report) : sending.stoppedBy === null ? [] : [sending.stoppedBy];
  const lines = [
    ...refusals.map(([reason, count]) => `${count} refused: ${reason}`),
    ...open,
    ...(gaveUp === null ? [] : [gaveUp]),
  ];
  if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
  if (verify) return open.length === 0 ? 0 : 1;
  return totals.accepted === 0 || sending.stoppedBy !== null ? 1 : 0;
}
