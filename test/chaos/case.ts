import type { Injection, Plannable } from './plan.ts';
import type { Fault } from './run.ts';
import type { ChaosScene, SceneOptions } from './scene.ts';

/** One row of the table: the scene, the fault, and a further check at the end. */
export type ChaosCase = Plannable & {
  readonly scene?: SceneOptions;
  /** See `Fault`. @throws an error with the code ENOENT if this machine lacks a tool */
  inject(scene: ChaosScene, injection: Injection): ReturnType<Fault['inject']>;
  /** See `Fault`. */
  recover?(scene: ChaosScene): void;
  /** A check beside the count of lost messages. */
  check?(scene: ChaosScene): Promise<Check>;
};

export type Check = {
  readonly holds: boolean;
  /** The finding, as a sentence. */
  readonly says: string;
};

export const now = () => performance.now();
