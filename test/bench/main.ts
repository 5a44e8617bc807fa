import { existsSync } from 'node:fs';
import { readSettings } from '../../src/config/settings.ts';
import { type Command, durationFlag, parseFlags, wholeNumberFlag } from '../../src/runtime/command.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { waitForStopSignal } from '../../src/runtime/stop-signal.ts';
import { machine } from '../support/machine.ts';
import { runTool } from '../support/tool.ts';
import { measureCeiling } from './ceiling.ts';
import { startBenchEndpoint } from './endpoint.ts';
import { comparison, median, pairTable, rawTable, sweepTable } from './report.ts';
import type { Measurement } from './run.ts';
import { startBenchServers } from './servers.ts';
import { type BenchSession, openBenchSession } from './session.ts';
import { floor, naive, ourWorker, type Variant } from './variants.ts';

const command: Command = {
  summary: 'measures throughput and CPU time, and compares them with the possible minimum',
  help: `
Usage: bench -- [flags]

  --messages N               deliveries in each run, 100 to 1000000 (default 25000)
  --rounds N                 rounds, 1 to 100 (default 7)
  --concurrency N            slots of each worker, 1 to 10000 (default CONCURRENCY)
  --endpoint-delay-ms N      response time of the endpoint, in milliseconds, up to 10000 (default 0)
  --no-database              without PostgreSQL: the worker with ATTEMPT_LOG=all is left out
  --against FILE             also measures the worker of another build, its dist/main.js, and compares it with this one
  --raw                      also prints each round
  --concurrency-sweep LIST   instead: this worker with each of these numbers of slots, such as 16,64,256, and endpoints
                             with a response time of 0, 5 and 50 ms

Starts a nats-server and a PostgreSQL, or uses NATS_URL and DATABASE_URL if they are set (rows of statistics stay there).
Compares a loop that only pulls, sends and acks (the floor), this worker without and with attempt rows, and a worker as it is
often written. Each of them is a process, and runs once per round, in another order each time. Start-up, warm-up and the
first fifth of the messages are left out. CPU seconds, user and system, are for 10 000 deliveries. The table shows medians,
and medians of the ratios within a round. Ends with an error if a message arrived twice or not at all. About 5 minutes.
`,
  async run(args) {
    const options = readFlags(args);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const servers = await startBenchServers(readSettings(), options.database, say);
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then(() => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    try {
      const session = await openBenchSession(servers);
      const running =
        options.sweep === undefined ? compare(session, options, say) : sweep(session, options, say);
      const table = await Promise.race([running, stopped]);
      process.stdout.write(`${machine()}, ${await session.versions()}\n${table}`);
      await session.close();
      return 0;
    } finally {
      await servers.stop();
    }
  },
};

type Options = ReturnType<typeof readFlags>;
type Say = (line: string) => void;

const SWEEP_DELAYS_MS = [0, 5, 50];
/** How long one cell of the sweep may take with a slow endpoint, in seconds. */
const SWEEP_CELL_S = 5;
const MIN_MESSAGES = 100;

function readFlags(args: string[]) {
  const { values } = parseFlags({
    args,
    allowNegative: true,
    options: {
      messages: { type: 'string', default: '25000' },
      rounds: { type: 'string', default: '7' },
      concurrency: { type: 'string', default: String(readSettings().CONCURRENCY) },
      'endpoint-delay-ms': { type: 'string', default: '0' },
      database: { type: 'boolean', default: true },
      against: { type: 'string' },
      raw: { type: 'boolean', default: false },
      'concurrency-sweep': { type: 'string' },
    },
  });
  if (values.against !== undefined && !existsSync(values.against)) {
    throw new UserError(
      `--against: ${values.against} does not exist. Give the dist/main.js of a built checkout.`,
      { exitCode: 2 },
    );
  }
  return {
    messages: wholeNumberFlag('messages', values.messages, MIN_MESSAGES, 1_000_000),
    rounds: wholeNumberFlag('rounds', values.rounds, 1, 100),
    concurrency: wholeNumberFlag('concurrency', values.concurrency, 1, 10_000),
    delayMs: durationFlag('endpoint-delay-ms', values['endpoint-delay-ms'], { min: 0, max: 10_000 }),
    database: values.database,
    against: values.against,
    raw: values.raw,
    sweep: values['concurrency-sweep']
      ?.split(',')
      .map((text) => wholeNumberFlag('concurrency-sweep', text, 1, 10_000)),
  };
}

async function compare(session: BenchSession, options: Options, say: Say): Promise<string> {
  const { messages, concurrency, rounds, delayMs, database, against, raw } = options;
  const logs = database ? (['off', 'all'] as const) : (['off'] as const);
  const ours = logs.map((log) => ourWorker(log));
  const theirs = against === undefined ? [] : logs.map((log) => ourWorker(log, against));
  const measured = [floor, ...ours, ...theirs, naive].map((variant) => ({
    variant,
    name: variant.name,
    rounds: [] as Measurement[],
  }));
  const ceilings: number[] = [];
  const endpoint = await startBenchEndpoint(delayMs);
  try {
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1} of ${rounds}: the receiver alone`);
      ceilings.push(await measureCeiling(endpoint, messages, concurrency));
      for (const { variant, rounds: done } of rotated(measured, round)) {
        say(`round ${round + 1} of ${rounds}: ${variant.name}`);
        done.push(await session.run(variant, { endpoint, messages, concurrency }));
      }
    }
  } finally {
    await endpoint.stop();
  }
  const isOf = (variants: readonly Variant[]) => measured.filter(({ variant }) => variants.includes(variant));
  const pairs = isOf(ours).flatMap((one, index) => {
    const other = isOf(theirs)[index];
    return other === undefined ? [] : [[one, other] as const];
  });
  return [
    `${rounds} rounds of ${messages} deliveries, the first fifth left out; ${concurrency} slots, endpoint delay ${delayMs} ms\n`,
    comparison(measured),
    `The receiver alone accepts ${median(ceilings)!.toFixed(0)} requests/s from a loop that only sends.\n`,
    ...(pairs.length === 0 ? [] : [`\n${pairTable(pairs)}`]),
    ...(raw ? [`\n${rawTable(measured)}`] : []),
  ].join('');
}

/** Each round begins with another worker, so that a cost of the first place falls on all workers in turn. */
function rotated<T>(all: readonly T[], round: number): readonly T[] {
  const first = round % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

async function sweep(session: BenchSession, { messages, sweep = [] }: Options, say: Say): Promise<string> {
  const worker = ourWorker('off');
  const rows = sweep.map((concurrency) => ({ concurrency, byDelay: [] as Measurement[] }));
  for (const delayMs of SWEEP_DELAYS_MS) {
    const endpoint = await startBenchEndpoint(delayMs);
    try {
      for (const { concurrency, byDelay } of rows) {
        const fitsInTime = delayMs === 0 ? messages : (concurrency * SWEEP_CELL_S * 1000) / delayMs;
        const count = Math.max(MIN_MESSAGES, Math.min(messages, Math.floor(fitsInTime)));
        say(`${concurrency} slots, endpoint delay ${delayMs} ms`);
        byDelay.push(await session.run(worker, { endpoint, messages: count, concurrency }));
      }
    } finally {
      await endpoint.stop();
    }
  }
  return sweepTable(SWEEP_DELAYS_MS, rows);
}

await runTool('bench', command);
