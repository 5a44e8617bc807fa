import { type FaultMeasurement, faultTable, measureFault } from '../load/fault-run.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { errorMessage, UserError } from '../runtime/failure.ts';
import { stopSignal } from '../runtime/stopping.ts';
import { FAULT_CASES, type FaultCase } from './fault-cases.ts';
import { openFaultScene, startFaultDatabase } from './fault-scene.ts';
import { machine } from './machine.ts';

export const command: Command = {
  summary: 'breaks servers and workers under load, and measures how soon deliveries go on',
  help: `
Usage: faults [flags]

  --only TEXT                only the faults whose name holds this text

Each fault has real servers, two workers and a load of 50 messages a second of its own, on this machine alone. The table
says when deliveries went on, how many messages NATS had confirmed, how many of them were never delivered (lost), and
how many requests were made beyond the first for a message. Ends with an error when anything was lost. About 3 minutes.
`,
  async run(args) {
    const { values } = parseFlags({ args, options: { only: { type: 'string', default: '' } } });
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const cases = FAULT_CASES.filter(({ name }) => name.includes(values.only));
    if (cases.length === 0) throw new UserError(`--only: no fault has "${values.only}" in its name.`);
    const stopped = stopSignal({ warn: say }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    // Heard between two faults, it ends the next one.
    stopped.catch(() => {});
    const measured: FaultMeasurement[] = [];
    for (const one of cases) {
      say(one.name);
      const row = await strikeOnce(one, stopped, say);
      if (row !== null) measured.push(row);
    }
    process.stdout.write(`${machine()}\n${faultTable(measured)}`);
    return measured.some(({ lost }) => lost > 0) ? 1 : 0;
  },
};

/** @param stopped Rejects when the run is stopped in the middle: what was started ends then too. @returns null where this machine cannot break it like this. */
async function strikeOnce(
  { name, cure, strike, nodes, config = '', database = false }: FaultCase,
  stopped: Promise<never>,
  say: (line: string) => void,
): Promise<FaultMeasurement | null> {
  const postgres = database ? await startFaultDatabase(say) : null;
  const scene = await openFaultScene({
    nodes,
    config,
    say,
    ...(postgres !== null && { databaseUrl: postgres.url }),
  });
  try {
    const fault = { name, cure, strike: () => strike(scene, postgres) };
    return await Promise.race([measureFault(fault, scene.load, scene.drained), stopped]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    say(`left out, since a tool is missing: ${errorMessage(error)}`);
    return null;
  } finally {
    await scene.stop();
    await postgres?.stop();
  }
}
