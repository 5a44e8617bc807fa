import { randomInt } from 'node:crypto';
import { type Command, parseFlags, wholeNumberFlag } from '../../src/runtime/command.ts';
import { errorCode, errorMessage, UserError } from '../../src/runtime/failure.ts';
import { waitForStopSignal } from '../../src/runtime/stop-signal.ts';
import { machine } from '../support/machine.ts';
import { runTool } from '../support/tool.ts';
import type { ChaosCase, Check } from './case.ts';
import { CHAOS_CASES } from './cases.ts';
import { type Injection, planOf } from './plan.ts';
import { chaosTable } from './report.ts';
import { type ChaosMeasurement, measureChaos } from './run.ts';
import { openChaosScene } from './scene.ts';

const LAST_SEED = 2 ** 32 - 1;

const command: Command = {
  summary: 'breaks servers, workers and endpoints under load, and shows that nothing is lost',
  help: `
Usage: chaos -- [flags]

  --seed N       what is drawn at random: when, whom, how long; 0 to ${LAST_SEED} (default: a random one, which is said)
  --only TEXT    only the faults whose name holds this text
  --short        a few faults, each struck once: under 40 s
  --seconds N    after which a fault's messages that have not arrived are lost, 10 to 3600 (default 60)

Each fault has real servers in a folder of its own, two workers, and a load of 50 messages a second to a healthy endpoint;
where another endpoint is in trouble, 50 more to that one. The table has what NATS confirmed (accepted), how much of it was
answered with a 2xx (delivered), is a dead letter, or neither (lost); requests for what had been answered (doubled); and
how long it took from the cure to the next delivery of the healthy endpoint, or, where deliveries should not have stopped,
how long they did (recovery). Ends with an error when anything was lost. About 6 minutes.

  chaos -- --seed 42 --only nats-server
`,
  async run(args) {
    const { seed, seconds, ...which } = readFlags(args);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const plan = planOf(seed, CHAOS_CASES, which);
    if (plan.length === 0) {
      const names = planOf(seed, CHAOS_CASES, { ...which, only: '' }).map(({ fault }) => `\n  ${fault.name}`);
      throw new UserError(`--only: no fault has "${which.only}" in its name. There are:${names.join('')}`);
    }
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    // Heard between two faults, it ends the next one.
    stopped.catch(() => {});
    const measured: ChaosMeasurement[] = [];
    const failures: string[] = [];
    say(`seed ${seed}`);
    for (const { fault, injections } of plan) {
      say(fault.name);
      const struck = await strikeAll(fault, injections, seconds, stopped, say);
      if (struck.row !== null) measured.push(struck.row);
      failures.push(...struck.failures.map((failure) => `${fault.name}: ${failure}`));
    }
    const below = failures.map((line) => `${line}\n`).join('');
    process.stdout.write(`${machine()}, seed ${seed}\n${chaosTable(measured)}${below}`);
    return failures.length > 0 ? 1 : 0;
  },
};

function readFlags(args: string[]) {
  const { values } = parseFlags({
    args,
    options: {
      seed: { type: 'string' },
      only: { type: 'string', default: '' },
      short: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '60' },
    },
  });
  return {
    seed:
      values.seed === undefined
        ? randomInt(LAST_SEED + 1)
        : wholeNumberFlag('seed', values.seed, 0, LAST_SEED),
    seconds: wholeNumberFlag('seconds', values.seconds, 10, 3600),
    only: values.only,
    short: values.short,
  };
}

type Struck = {
  /** Null where there is none to show. */
  readonly row: ChaosMeasurement | null;
  /** What should not be, a sentence each. */
  readonly failures: readonly string[];
};

/** @param stopped Rejects when the run is stopped in the middle: what was started ends then too. */
async function strikeAll(
  one: ChaosCase,
  injections: readonly Injection[],
  seconds: number,
  stopped: Promise<never>,
  say: (line: string) => void,
): Promise<Struck> {
  const givesUpAt = performance.now() + 1000 * seconds;
  const scene = await openChaosScene(one.scene ?? {}, givesUpAt, say);
  try {
    const fault = {
      name: one.name,
      injections,
      inject: (injection: Injection) => one.inject(scene, injection),
      recover: () => one.recover?.(scene),
    };
    const measuring = measureChaos(fault, scene.load, scene.queue, givesUpAt);
    const row = await Promise.race([measuring, scene.failed, stopped]);
    const check = await one.check?.(scene);
    if (check !== undefined) say(`  ${check.says}`);
    return { row, failures: failuresOf(row, seconds, check) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      say(`  left out, since a tool is missing: ${errorMessage(error)}`);
      return { row: null, failures: [] };
    }
    // The other faults are worth their rows all the same.
    if (error instanceof UserError && error.exitCode === 1) return { row: null, failures: [error.message] };
    throw error;
  } finally {
    await scene.stop();
  }
}

function failuresOf(
  { lost, outOfTime }: ChaosMeasurement,
  seconds: number,
  check: Check | undefined,
): string[] {
  return [
    ...(lost > 0 ? [`${lost} lost, or not delivered in time`] : []),
    ...(outOfTime === null ? [] : [`not all was well again after ${seconds} s: ${outOfTime}`]),
    ...(check?.holds === false ? [check.says] : []),
  ];
}

await runTool('chaos', command);
