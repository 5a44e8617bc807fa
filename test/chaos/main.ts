import { join } from 'node:path';
import type { Command } from '../../src/runtime/command.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { waitForStopSignal } from '../../src/runtime/stop-signal.ts';
import { machine } from '../support/machine.ts';
import { runTool } from '../support/tool.ts';
import type { ChaosCase } from './case.ts';
import { CHAOS_CASES } from './cases.ts';
import { LARGE_RATE, LAST_SEED, readFlags } from './flags.ts';
import { NEGATIVE_CONTROL } from './negative-control.ts';
import { type Injection, planOf } from './plan.ts';
import { chaosTable } from './report.ts';
import { type CaseResult, type CaseRow, runCase } from './run-case.ts';
import { brokenIsolation, brokenPromises } from './verdict.ts';

/** Messages per second of each flow, without --messages. */
const RATE = 50;
/** Enough slots for LARGE_RATE at an endpoint that takes 0.2 s. */
const LARGE_SETTINGS = { CONCURRENCY: '256' };
/** How long the healthy endpoint alone has messages, in milliseconds. */
const CONTROL_MS = 6000;
const SHORT_CONTROL_MS = 3000;

const command: Command = {
  summary: 'breaks servers, workers and endpoints under load, and shows that nothing is lost',
  help: `
Usage: chaos -- [flags]

  --seed N       decides when, whom and for how long; 0 to ${LAST_SEED} (default: a random seed, which is printed)
  --only TEXT    only the faults whose name contains this text
  --short        a few faults, each injected once: about a minute
  --messages N   seven faults only, each repeated until N messages are accepted; up to 10000000
  --seconds N    time after which missing messages of a fault count as lost, 10 to 3600 (default 120; with --messages, longer)
  --keep DIR     keeps in DIR what the producers, the endpoints and the dead-letter stream saw, in a folder per fault

Each fault has its own real servers, two workers, and a load of ${RATE} messages per second to a healthy endpoint (with --messages,
${LARGE_RATE} in total). Some faults have a second endpoint, or other messages for the same one, with as many messages. The load publishes
to NATS; for a fault of "api", it posts to two of them; for a fault of "relay", it enqueues each message in a transaction of its own,
rolls a third of them back, and two relays publish. Every PubAck, 202, commit and rollback, every request and every dead letter is
written to a file, and a separate program, test/chaos/judge.mjs, reads the files and decides.

Columns of the table: accepted (messages with a PubAck, a 202 or a commit), delivered (accepted messages that were answered with a 2xx), dead
letters, undeserved (dead letters of messages that were accepted by the endpoint, or not refused as often as they may be tried),
lost (neither delivered nor dead letter), doubled (requests for messages that had been answered before), recovery (the time from
the cure to the next delivery at the healthy endpoint, or the length of the pause if deliveries should not have stopped), and the
time from publication to answer of 99 of 100 healthy messages, without and with the misbehaving endpoint, with the ratio.

Beside the first faults, workers that ack before they send are killed: a negative control, whose losses the judge must find. Ends
with an error if it does not, and if a message was lost, became a dead letter undeservedly, or arrived at a wrong endpoint, out
of order or before its time, or although it was rolled back or refused as not stored; without --short also if the ratio is above
2 three times. About 15 minutes.

  chaos -- --seed 42 --only nats-server
  chaos -- --messages 100000 --keep .cache/chaos
`,
  async run(args) {
    const { seed, seconds, only, short, messages, keep } = readFlags(args);
    const large = messages > 0;
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const plan = planOf(seed, CHAOS_CASES, { short, large, only });
    if (plan.length === 0) {
      const names = planOf(seed, CHAOS_CASES, { short, large, only: '' }).map(
        ({ fault }) => `\n  ${fault.name}`,
      );
      throw new UserError(`--only: no fault has "${only}" in its name. The faults are:${names.join('')}`);
    }
    const stopped = waitForStopSignal({ warn: ({ hint }) => say(hint) }).then((): never => {
      throw new UserError('stopped', { exitCode: 130 });
    });
    // A signal between two faults ends the next fault.
    stopped.catch(() => {});

    const run = (
      fault: ChaosCase,
      injections: readonly Injection[],
      number: number,
      losesMessages = false,
    ) => {
      const flowCount = fault.scene?.flows?.length ?? 1;
      const isLarge = large && !losesMessages;
      say(fault.name);
      return runCase(fault, {
        seed,
        injections,
        losesMessages,
        messages: isLarge ? messages : 0,
        rate: isLarge ? LARGE_RATE / flowCount : RATE,
        settings: isLarge ? LARGE_SETTINGS : {},
        controlMs: short ? SHORT_CONTROL_MS : CONTROL_MS,
        keepIn: keep === undefined ? undefined : join(keep, folderName(number, fault.name)),
        givesUpAt: performance.now() + 1000 * seconds,
        stopped,
        say,
      });
    };

    say(`seed ${seed}`);
    const [control] = planOf(seed, [NEGATIVE_CONTROL], { short: false, only: '' });
    // Beside the first faults, to save time.
    const controlled = run(control!.fault, control!.injections, 0, true);
    controlled.catch(() => {});
    const rows: CaseRow[] = [];
    const failures: string[] = [];
    try {
      for (const [index, { fault, injections }] of plan.entries()) {
        let result = await run(fault, injections, index + 1);
        for (let more = short ? 0 : 2; more > 0 && isOnlySlow(result); more--) {
          say('  measured again, because a busy machine slows deliveries, too');
          result = await run(fault, injections, index + 1);
        }
        failures.push(...failuresOf(result, short).map((failure) => `${fault.name}: ${failure}`));
        if (result.row !== null) rows.push(result.row);
      }
    } finally {
      // What was started ends before this program does.
      await controlled.catch(() => undefined);
    }
    const { row } = await controlled;
    const isCaught = row !== null && row.lost > 0;
    const finding = `${NEGATIVE_CONTROL.name}: ${row?.lost ?? 'none'} of ${row?.accepted ?? 0} lost`;
    const below = [
      ...failures,
      isCaught ? `${finding}, as expected` : `${finding}, so the judge misses losses`,
    ];
    process.stdout.write(`${machine()}, seed ${seed}\n${chaosTable(rows)}${below.join('\n')}\n`);
    return failures.length === 0 && isCaught ? 0 : 1;
  },
};

/** True if nothing failed but the ratio. Nothing else is hidden by a second look. */
function isOnlySlow({ row, failures }: CaseResult): boolean {
  return (
    failures.length === 0 && row !== null && isEmpty(brokenPromises(row)) && !isEmpty(brokenIsolation(row))
  );
}

const isEmpty = (list: readonly string[]) => list.length === 0;

/** @param short True: too few messages to judge the slowdown by. */
function failuresOf({ row, failures }: CaseResult, short: boolean): readonly string[] {
  if (row === null) return failures;
  return [...brokenPromises(row), ...(short ? [] : brokenIsolation(row)), ...failures];
}

function folderName(number: number, fault: string): string {
  const words = fault.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return `${String(number).padStart(2, '0')}-${words.slice(0, 60).replace(/-$/, '')}`;
}

await runTool('chaos', command);
