import { errorCode, errorMessage, UserError } from '../../src/runtime/failure.ts';
import type { ChaosCase } from './case.ts';
import type { Injection } from './plan.ts';
import { measureChaos } from './run.ts';
import { openChaosScene, type SceneRun } from './scene.ts';
import { type Verdict, verdictOn } from './verdict.ts';

export type CaseRun = SceneRun & {
  readonly injections: readonly Injection[];
  /** See `Fault`. */
  readonly controlMs: number;
  readonly messages: number;
  readonly losesMessages: boolean;
  /** Settings of the workers, beside those of the scene. */
  readonly settings: Readonly<Record<string, string>>;
  /** Rejects when the run is stopped. Then everything that was started ends, too. */
  readonly stopped: Promise<never>;
};

export type CaseRow = Verdict & { readonly name: string; readonly recoveryMs: number };

export type CaseResult = {
  /** Null if the case has no figures. */
  readonly row: CaseRow | null;
  /** What failed beside the promises that the judge looks at, one sentence each. */
  readonly failures: readonly string[];
};

/** Injects a fault into real servers and workers under load, and lets the judge read what was recorded. */
export async function runCase(one: ChaosCase, run: CaseRun): Promise<CaseResult> {
  const { injections, losesMessages, messages, givesUpAt, stopped, say } = run;
  const settings = { ...run.settings, ...one.scene?.settings };
  const scene = await openChaosScene({ ...one.scene, settings }, run);
  try {
    const fault = {
      injections,
      inject: (injection: Injection) => one.inject(scene, injection),
      recover: () => one.recover?.(scene),
      controlMs: one.isIsolation === true ? run.controlMs : 0,
      messages,
      losesMessages,
    };
    const measuring = measureChaos(fault, scene.load, scene.queue, givesUpAt);
    const { recoveryMs, outOfTime } = await Promise.race([measuring, scene.failed, stopped]);
    await scene.load.stop();
    await scene.evidence.close();
    const verdict = await verdictOn(scene.evidence.folder);
    const check = await one.check?.(scene, verdict);
    if (check !== undefined) say(`  ${check.says}`);
    const failures = [
      ...(outOfTime === null ? [] : [`the time was over: ${outOfTime}`]),
      ...(check?.holds === false ? [check.says] : []),
    ];
    return { row: { name: one.name, recoveryMs, ...verdict }, failures };
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
