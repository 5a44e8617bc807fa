import type { Injection, Plannable } from './plan.ts';
import type { Fault } from './run.ts';
import type { ChaosScene, SceneOptions } from './scene.ts';
import type { Verdict } from './verdict.ts';

/** One row of the table: the scene, the fault, and a further check at the end. */
export type ChaosCase = Plannable & {
  readonly scene?: SceneOptions;
  /** True if the fault may not slow the deliveries of the healthy flow: they are measured without the fault, too. */
  readonly isIsolation?: boolean;
  /** See `Fault`. @throws an error with the code ENOENT if this machine lacks a tool */
  inject(scene: ChaosScene, injection: Injection): ReturnType<Fault['inject']>;
  /** See `Fault`. */
  recover?(scene: ChaosScene): void;
  /** A check beside the verdict of the judge: above all, that the fault has happened. */
  check?(scene: ChaosScene, verdict: Verdict): Check | Promise<Check>;
};

export type Check = {
  readonly holds: boolean;
  /** The finding, as a sentence. */
  readonly says: string;
};

export const now = () => performance.now();
