import { readSettings, type Settings } from '../../../src/config/settings.ts';
import { type Command, parseFlags } from '../../../src/runtime/command.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { waitForStopSignal } from '../../../src/runtime/stop-signal.ts';
import { machine } from '../../support/machine.ts';
import { runTool } from '../../support/tool.ts';
import { MEMORY_CASES, type MemoryCase, type MemoryCheck } from './cases.ts';
import { type MemoryRow, memoryTable } from './report.ts';
import { openMemoryScene } from './scene.ts';

const command: Command = {
  summary: 'measures memory while many messages wait, are parked, or cannot be recorded',
  help: `
Usage: bench:memory -- [flags]

  --only TEXT   only the cases whose name contains this text

Each case has a nats-server and a PostgreSQL in a temporary folder, and one worker. The resident memory of the worker and of
the nats-server is sampled. Late growth is the median of the last quarter of the time minus the median of the third quarter. It
is about 0 if memory is bounded. Ends with an error if the counts do not add up. About 6 minutes.

${MEMORY_CASES.map(({ name }) => `  ${name}`).join('\n')}
`,
  async run(args) {
    const { values } = parseFlags({ args, options: { only: { type: 'string', default: '' } } });
    const cases = MEMORY_CASES.filter(({ name }) => name.includes(values.only));
    if (cases.length === 0) throw new UserError(`--only: no case has "${values.only}" in its name.`);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    // A signal between two cases ends the next case.
    stopped.catch(() => {});
    const rows: MemoryRow[] = [];
    const checks: MemoryCheck[] = [];
    for (const one of cases) {
      say(one.name);
      const measured = await measure(one, readSettings(), stopped, say);
      rows.push(...measured.rows);
      if (measured.check !== null)
        checks.push({ ...measured.check, says: `${one.name}: ${measured.check.says}` });
    }
    const below = checks.map(({ holds, says }) => `${says}${holds ? '' : ', which is wrong'}\n`);
    process.stdout.write(`${machine()}\n${memoryTable(rows)}${below.join('')}`);
    return checks.every(({ holds }) => holds) ? 0 : 1;
  },
};

async function measure(
  one: MemoryCase,
  settings: Settings,
  stopped: Promise<never>,
  say: (line: string) => void,
): Promise<{ readonly rows: readonly MemoryRow[]; readonly check: MemoryCheck | null }> {
  const scene = await openMemoryScene(settings, say);
  try {
    const check = await Promise.race([one.run(scene), scene.failed, stopped]);
    return { rows: scene.rows, check };
  } finally {
    await scene.stop();
  }
}

await runTool('bench:memory', command);
