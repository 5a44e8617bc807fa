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

  --seed N       decides when, whom and for how long; 0 to ${LAST_SEED} (default: a random seed, which is printed)
  --only TEXT    only the faults whose name contains this text
  --short        a few faults, each injected once: under 40 s
  --seconds N    time after which missing messages of a fault count as lost, 10 to 3600 (default 60)

Each fault has its own real servers, two workers, and a load of 50 messages per second to a healthy endpoint. Some faults have
a second endpoint, which misbehaves and gets 50 messages per second, too. Columns of the table: accepted (messages that NATS
confirmed), delivered (accepted messages that were answered with a 2xx), dead letters, lost (neither), doubled (requests for
messages that had been answered before), and recovery: the time from the cure to the next delivery at the healthy endpoint, or
the length of the pause if deliveries should not have stopped. Ends with an error if a message was lost. About 6 minutes.

  chaos -- --seed 42 --only nats-server
`,
  async run(args) {
    const { seed, seconds, ...which } = readFlags(args);
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const plan = planOf(seed, CHAOS_CASES, which);
    if (plan.length === 0) {
      const names = planOf(seed, CHAOS_CASES, { ...which, only: '' }).map(({ fault }) => `\n  ${fault.name}`);
      throw new UserError(
        `--only: no fault has "${which.only}" in its name. The faults are:${names.join('')}`,
      );
    }
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    // A signal between two faults ends the next fault.
    stopped.catch(() => {});
    const measured: ChaosMeasurement[] = [];
    const failures: string[] = [];
    say(`seed ${seed}`);
    for (const { fault, injections } of plan) {
      say(fault.name);
      const result = await injectAll(fault, injections, seconds, stopped, say);
      if (result.row !== null) measured.push(result.row);
      failures.push(...result.failures.map((failure) => `${fault.name}: ${failure}`));
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

type CaseResult = {
  /** Null if the case has no figures. */
  readonly row: ChaosMeasurement | null;
  /** The failures, one sentence each. */
  readonly failures: readonly string[];
};

/** @param stopped Rejects when the run is stopped. Then everything that was started ends, too. */
async function injectAll(
  one: ChaosCase,
  injections: readonly Injection[],
  seconds: number,
  stopped: Promise<never>,
  say: (line: string) => void,
): Promise<CaseResult> {
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
      say(`  left out, because a tool is missing: ${errorMessage(error)}`);
      return { row: null, failures: [] };
    }
    // The other faults are still measured.
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
    ...(outOfTime === null ? [] : [`not everything was delivered after ${seconds} s: ${outOfTime}`]),
    ...(check?.holds === false ? [check.says] : []),
  ];
}

await runTool('chaos', command);
