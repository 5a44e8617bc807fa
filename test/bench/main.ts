import { readSettings } from '../../src/config/settings.ts';
import { type Command, parseFlags, wholeNumberFlag } from '../../src/runtime/command.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { stopSignal } from '../../src/runtime/stopping.ts';
import { machine } from '../support/machine.ts';
import { runTool } from '../support/tool.ts';
import { startBenchEndpoint } from './endpoint.ts';
import { comparison, sweepTable } from './report.ts';
import type { Measurement } from './run.ts';
import { startBenchServers } from './servers.ts';
import { type BenchSession, openBenchSession } from './session.ts';
import { floor, naive, ourWorker } from './variants.ts';

const command: Command = {
  summary: 'measures throughput and CPU time, beside the least that is possible',
  help: `
Usage: bench -- [flags]

  --messages N               deliveries in each run, 100 to 1000000 (default 10000)
  --rounds N                 runs of each worker, 1 to 100; the table shows medians (default 3)
  --concurrency N            slots of each worker, 1 to 10000 (default CONCURRENCY)
  --endpoint-delay-ms N      how long the endpoint takes, in milliseconds, up to 10000 (default 0)
  --no-database              without PostgreSQL: the worker with ATTEMPT_LOG=all is left out
  --concurrency-sweep LIST   instead: this worker with each of these slots, such as 16,64,256, and endpoints that take
                             0, 5 and 50 ms

Runs on a nats-server and a PostgreSQL that it starts, or on NATS_URL and DATABASE_URL where these are set (rows of
statistics stay there). Compared are a loop that only pulls, sends and acks (the floor), this worker without and with
attempt rows, and a worker as it is often written. Each is a process of its own; CPU seconds, user and system, are for
10 000 deliveries. Ends with an error when a message came twice or not at all.
`,
  async run(args) {
    const options = readFlags(args);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const servers = await startBenchServers(readSettings(), options.database, say);
    const stopped = stopSignal({ warn: say }).then(() => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    try {
      const session = await openBenchSession(servers);
      const running =
        options.sweep === undefined ? compare(session, options, say) : sweep(session, options, say);
      const table = await Promise.race([running, stopped]);
      process.stdout.write(`${machine()}\n${table}`);
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
/** How long one cell of the sweep may take where the endpoint is what it waits for, in seconds. */
const SWEEP_CELL_S = 5;
const FEWEST_MESSAGES = 100;

function readFlags(args: string[]) {
  const { values } = parseFlags({
    args,
    allowNegative: true,
    options: {
      messages: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '3' },
      concurrency: { type: 'string', default: String(readSettings().CONCURRENCY) },
      'endpoint-delay-ms': { type: 'string', default: '0' },
      database: { type: 'boolean', default: true },
      'concurrency-sweep': { type: 'string' },
    },
  });
  return {
    messages: wholeNumberFlag('messages', values.messages, FEWEST_MESSAGES, 1_000_000),
    rounds: wholeNumberFlag('rounds', values.rounds, 1, 100),
    concurrency: wholeNumberFlag('concurrency', values.concurrency, 1, 10_000),
    delayMs: wholeNumberFlag('endpoint-delay-ms', values['endpoint-delay-ms'], 0, 10_000),
    database: values.database,
    sweep: values['concurrency-sweep']
      ?.split(',')
      .map((text) => wholeNumberFlag('concurrency-sweep', text, 1, 10_000)),
  };
}

async function compare(session: BenchSession, options: Options, say: Say): Promise<string> {
  const { messages, concurrency, rounds, delayMs, database } = options;
  const variants = [floor, ourWorker('off'), ...(database ? [ourWorker('all')] : []), naive];
  const measured = variants.map(({ name }) => ({ name, rounds: [] as Measurement[] }));
  const endpoint = await startBenchEndpoint(delayMs);
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [index, variant] of variants.entries()) {
        say(`round ${round} of ${rounds}: ${variant.name}`);
        measured[index]!.rounds.push(await session.run(variant, { endpoint, messages, concurrency }));
      }
    }
  } finally {
    await endpoint.stop();
  }
  return `${messages} deliveries, ${concurrency} slots, endpoint delay ${delayMs} ms\n${comparison(measured)}`;
}

async function sweep(session: BenchSession, { messages, sweep = [] }: Options, say: Say): Promise<string> {
  const worker = ourWorker('off');
  const rows = sweep.map((concurrency) => ({ concurrency, byDelay: [] as Measurement[] }));
  for (const delayMs of SWEEP_DELAYS_MS) {
    const endpoint = await startBenchEndpoint(delayMs);
    try {
      for (const { concurrency, byDelay } of rows) {
        const most = delayMs === 0 ? messages : (concurrency * SWEEP_CELL_S * 1000) / delayMs;
        const fitting = Math.max(FEWEST_MESSAGES, Math.min(messages, Math.floor(most)));
        say(`${concurrency} slots, endpoint delay ${delayMs} ms`);
        byDelay.push(await session.run(worker, { endpoint, messages: fitting, concurrency }));
      }
    } finally {
      await endpoint.stop();
    }
  }
  return sweepTable(SWEEP_DELAYS_MS, rows);
}

await runTool('bench', command);
