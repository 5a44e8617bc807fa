import { readSettings } from '../../../src/config/settings.ts';
import { type Command, parseFlags, wholeNumberFlag } from '../../../src/runtime/command.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { waitForStopSignal } from '../../../src/runtime/stop-signal.ts';
import { type Column, textTable } from '../../../src/runtime/text-table.ts';
import { machine } from '../../support/machine.ts';
import { runTool } from '../../support/tool.ts';
import { measureCase, measureOneSubject, type RegistryCase, type RegistryFigures } from './measure.ts';
import { openRegistryScene } from './scene.ts';

const rows = (name: string, count: number, wildcards = 0): RegistryCase => ({
  name,
  rows: count,
  wildcards,
  isOneSubject: false,
});
const CASES: readonly RegistryCase[] = [
  rows('1 row', 1),
  rows('10 000 rows', 10_000),
  rows('10 000 rows, 5 000 of them with wildcards', 10_000, 5000),
  rows('100 000 rows', 100_000),
];
const ONE_SUBJECT: readonly RegistryCase[] = [1000, 5000].map((count) => ({
  ...rows(`${count} rows of one subject`, count),
  isOneSubject: true,
}));

const command: Command = {
  summary: 'measures a worker with many rows of rule_webhooks',
  help: `
Usage: bench:registry -- [flags]

  --only TEXT         only the cases whose name contains this text
  --idle-seconds N    how long the CPU time at rest is measured, 10 to 600 (default 60)
  --messages N        messages of each case, 1000 to 1000000 (default 10000)

Starts a nats-server and a PostgreSQL with temporary data, and one worker for each case. Measures the read of all rows, the
time from there to the first delivery, its memory, its CPU time at rest, with 20 changed rows per second and for 10 000 messages that are spread over all
rows, and the time until a change is used. CPU times are shares of a core, of the worker and of PostgreSQL. About 10 minutes.

${[...CASES, ...ONE_SUBJECT].map(({ name }) => `  ${name}`).join('\n')}
`,
  async run(args) {
    const { values } = parseFlags({
      args,
      options: {
        only: { type: 'string', default: '' },
        'idle-seconds': { type: 'string', default: '60' },
        messages: { type: 'string', default: '10000' },
      },
    });
    const idleSeconds = wholeNumberFlag('idle-seconds', values['idle-seconds'], 10, 600);
    const messages = wholeNumberFlag('messages', values.messages, 1000, 1_000_000);
    const chosen = (all: readonly RegistryCase[]) => all.filter(({ name }) => name.includes(values.only));
    if ([...chosen(CASES), ...chosen(ONE_SUBJECT)].length === 0)
      throw new UserError(`--only: no case has "${values.only}" in its name.`);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    const scene = await openRegistryScene(readSettings(), say);
    try {
      const figures: RegistryFigures[] = [];
      for (const one of chosen(CASES))
        figures.push(await Promise.race([measureCase(one, scene, { idleSeconds, messages }, say), stopped]));
      const oneSubject: string[][] = [];
      for (const one of chosen(ONE_SUBJECT)) {
        const { name, cpuPer10k, highest } = await Promise.race([
          measureOneSubject(one, scene, messages, say),
          stopped,
        ]);
        oneSubject.push([name, cpuPer10k.toFixed(2), shown(highest, 0)]);
      }
      process.stdout.write(`${machine()}\n`);
      if (figures.length > 0) process.stdout.write(textTable(COLUMNS, figures.map(cellsOf)));
      if (oneSubject.length > 0) process.stdout.write(textTable(ONE_SUBJECT_COLUMNS, oneSubject));
      return 0;
    } finally {
      await scene.stop();
    }
  },
};

const right = (name: string): Column => ({ name, align: 'right' });
const COLUMNS: readonly Column[] = [
  { name: 'rows' },
  right('read s'),
  right('to delivery s'),
  right('MB at rest'),
  right('highest MB'),
  right('idle %'),
  right('PostgreSQL %'),
  right('change used ms'),
  right('longest'),
  right('20 changes/s %'),
  right('PostgreSQL %'),
  right('all changed s'),
  right('CPU s per 10 000'),
];
const ONE_SUBJECT_COLUMNS: readonly Column[] = [
  { name: 'fan-out' },
  right('CPU s per 10 000 deliveries'),
  right('highest MB'),
];

function cellsOf(figures: RegistryFigures): string[] {
  const {
    name,
    readSeconds,
    afterReadSeconds,
    memory,
    idle,
    changing,
    change,
    bulkSeconds,
    cpuPer10k,
    memoryAtEnd,
  } = figures;
  return [
    name,
    shown(readSeconds, 2),
    shown(afterReadSeconds, 2),
    shown(memory?.resident, 0),
    shown(memoryAtEnd?.highest, 0),
    shown(idle.worker, 2),
    shown(idle.postgres, 2),
    shown(change.median, 0),
    shown(change.longest, 0),
    shown(changing.worker, 1),
    shown(changing.postgres, 1),
    shown(bulkSeconds, 1),
    shown(cpuPer10k, 2),
  ];
}

function shown(value: number | null | undefined, digits: number): string {
  return value == null ? 'unknown' : value.toFixed(digits);
}

await runTool('bench:registry', command);
