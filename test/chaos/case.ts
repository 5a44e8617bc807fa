import type { Injection, Plannable } from './plan.ts';
import type { Fault } from './run.ts';
import type { ChaosScene, SceneOptions } from './scene.ts';

/** One row of the table: what it needs, what breaks, and what else must hold at its end. */
export type ChaosCase = Plannable & {
  readonly scene?: SceneOptions;
  /** See `Fault`. @throws what has the code ENOENT where this machine lacks a tool for it */
  inject(scene: ChaosScene, injection: Injection): ReturnType<Fault['inject']>;
  /** See `Fault`. */
  recover?(scene: ChaosScene): void;
  /** Beside nothing being lost. */
  check?(scene: ChaosScene): Promise<Check>;
};

export type Check = {
  readonly holds: boolean;
  /** What was found, for a person. */
  readonly says: string;
};

export const now = () => performance.now();
