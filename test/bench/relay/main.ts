import { readSettings } from '../../../src/config/settings.ts';
import { type Command, parseFlags, wholeNumberFlag } from '../../../src/runtime/command.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { waitForStopSignal } from '../../../src/runtime/stop-signal.ts';
import { type Column, textTable } from '../../../src/runtime/text-table.ts';
import { machine } from '../../support/machine.ts';
import { runTool } from '../../support/tool.ts';
import { openRelayScene, type RelayCase, type RelayFigures } from './scene.ts';

const CASES: readonly (Omit<RelayCase, 'rows'> & { readonly share: number })[] = [
  { name: 'in any order, with history', share: 1, keys: 0, history: 'all' },
  { name: 'in any order, without history', share: 1, keys: 0, history: 'off' },
  { name: 'in order, 1 000 keys', share: 1, keys: 1000, history: 'all' },
  { name: 'in order, one key', share: 0.25, keys: 1, history: 'all' },
];
const HELD_CASES = [
  { name: 'in any order', keys: 0 },
  { name: 'in order, 1 000 keys', keys: 1000 },
];
const PARTS = 10;
const SAMPLES = 200;
const PAUSE_MS = 20;
const WRITING_SECONDS = 4;

const command: Command = {
  summary: 'measures a relay of the outbox',
  help: `
Usage: bench:relay -- [flags]

  --rows N      rows of each case, 4000 to 1000000 (default 40000)
  --rounds N    rounds, 1 to 20 (default 3)
  --held N      instead of that, pass N rows through the outbox in ten parts while another session holds a snapshot, so that
                no dead row can be removed (10000 to 1000000): rows per second of each part

Starts a nats-server and a PostgreSQL with temporary data, and a relay for each case. Measures rows per second until the outbox
is empty, beside the bare publish of the same messages in the same round; the time from a commit until NATS has the message,
50 times a second; and what a webhook in the transaction costs 32 writers, beside what its data costs in a plain table. Medians of
all rounds, and their spread.
`,
  async run(args) {
    const { values } = parseFlags({
      args,
      options: {
        rows: { type: 'string', default: '40000' },
        rounds: { type: 'string', default: '3' },
        held: { type: 'string' },
      },
    });
    const held = values.held === undefined ? null : wholeNumberFlag('held', values.held, 10_000, 1_000_000);
    const rows = wholeNumberFlag('rows', values.rows, 4000, 1_000_000);
    const rounds = wholeNumberFlag('rounds', values.rounds, 1, 20);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    const scene = await openRelayScene(readSettings(), say);
    const within = <T>(work: Promise<T>) => Promise.race([work, stopped]);
    try {
      if (held !== null) {
        process.stdout.write(`${machine()}\n`);
        for (const { name, keys } of HELD_CASES) {
          const rates = await within(scene.drainUnderSnapshot(PARTS, Math.round(held / PARTS), keys));
          process.stdout.write(`${name}: ${rates.map((rate) => rate.toFixed(0)).join(' ')} rows/s\n`);
        }
        return 0;
      }
      const bare: number[] = [];
      const figures = new Map<string, RelayFigures[]>(CASES.map(({ name }) => [name, []]));
      const latencies: number[] = [];
      const cost: number[] = [];
      const costBesidePlain: number[] = [];
      for (let round = 1; round <= rounds; round++) {
        say(`round ${round} of ${rounds}`);
        bare.push(await within(scene.barePublish(rows)));
        for (const one of CASES)
          figures
            .get(one.name)!
            .push(await within(scene.drain({ ...one, rows: Math.round(rows * one.share) })));
        latencies.push(...(await within(scene.latencies(SAMPLES, PAUSE_MS))));
        const { alone, plain, enqueuing } = await within(scene.commitRates(WRITING_SECONDS));
        cost.push(100 * (1 - enqueuing / alone));
        costBesidePlain.push(100 * (1 - enqueuing / plain));
        const [one, two, three] = [alone, plain, enqueuing].map((rate) => Math.round(rate));
        say(`${one} commits per second, ${two} with the data in a plain table, ${three} with a webhook`);
      }
      process.stdout.write(`${machine()}\n`);
      process.stdout.write(
        textTable(COLUMNS, [['bare publish', ...spread(bare, 0), ''], ...rowsOf(figures)]),
      );
      const sorted = latencies.toSorted((a, b) => a - b);
      const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(1);
      process.stdout.write(`commit to NATS: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`);
      process.stdout.write(
        `a webhook in the transaction costs 32 writers ${spread(cost, 1).join(' % ')} of their commits, and ` +
          `${spread(costBesidePlain, 1).join(' % ')} of those with its data in a plain table\n`,
      );
      return 0;
    } finally {
      await scene.stop();
    }
  },
};

const right = (name: string): Column => ({ name, align: 'right' });
const COLUMNS: readonly Column[] = [
  { name: 'case' },
  right('rows/s'),
  right('min … max'),
  right('CPU s per 10 000'),
];

function rowsOf(figures: ReadonlyMap<string, readonly RelayFigures[]>): string[][] {
  return [...figures].map(([name, all]) => {
    const cpu = all.flatMap(({ cpuPer10k }) => (cpuPer10k === null ? [] : [cpuPer10k]));
    return [
      name,
      ...spread(
        all.map(({ rate }) => rate),
        0,
      ),
      cpu.length === 0 ? 'unknown' : median(cpu).toFixed(2),
    ];
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The median, and the lowest and the highest value. */
function spread(values: readonly number[], digits: number): [string, string] {
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  return [median(values).toFixed(digits), `${lowest.toFixed(digits)} … ${highest.toFixed(digits)}`];
}

await runTool('bench:relay', command);
