import { between, seededRandom } from '../../src/core/seeded-random.ts';

/** One injection of a fault. The seed decides when, whom and for how long. */
export type Injection = {
  /** Time between the last deliveries and the injection, in milliseconds. */
  readonly afterMs: number;
  /** Which of several targets breaks, from 0. */
  readonly whom: number;
  /** How long the target stays broken, in milliseconds. */
  readonly forMs: number;
};

type Range = readonly [min: number, max: number];

/** The ranges for the random injections of a fault. Both ends of a range are included. */
export type InjectionRanges = {
  /** The number of injections. @default one */
  readonly times?: Range;
  /** @default 0 to 500 */
  readonly afterMs?: Range;
  /** @default 0 to 2_000 */
  readonly forMs?: Range;
  /** The number of possible targets. @default 1 */
  readonly among?: number;
};

export type Plannable = {
  readonly name: string;
  readonly injections: InjectionRanges;
  /** True if the short run has this fault, with one injection. */
  readonly short?: boolean;
  /** True if the run with many messages has this fault. */
  readonly large?: boolean;
};

export type PlanOptions = {
  readonly short: boolean;
  /** Only the faults of the run with many messages. @default false */
  readonly large?: boolean;
  /** Only faults whose name contains this text. Empty: all faults. */
  readonly only: string;
};

/** Plans the injections. The same seed gives the same plan, and a fault has the same injections if other faults are left out. */
export function planOf<T extends Plannable>(
  seed: number,
  faults: readonly T[],
  { short, large = false, only }: PlanOptions,
): { readonly fault: T; readonly injections: readonly Injection[] }[] {
  return faults
    .filter((fault) => (fault.short === true || !short) && (fault.large === true || !large))
    .filter((fault) => fault.name.includes(only))
    .map((fault) => ({ fault, injections: injectionsOf(seed, fault).slice(0, short ? 1 : undefined) }));
}

function injectionsOf(seed: number, { name, injections }: Plannable): Injection[] {
  const { times = [1, 1], afterMs = [0, 500], forMs = [0, 2000], among = 1 } = injections;
  const random = seededRandom(seed, name);
  return Array.from({ length: between(random, times) }, () => ({
    afterMs: between(random, afterMs),
    whom: between(random, [0, among - 1]),
    forMs: between(random, forMs),
  }));
}
