import { between, seededRandom } from '../../src/core/seeded-random.ts';

/** One injection of a fault: when, whom and for how long, all drawn from the seed. */
export type Injection = {
  /** Since deliveries go well, in milliseconds. */
  readonly afterMs: number;
  /** Which of several is hit, from 0. */
  readonly whom: number;
  /** How long it stays broken, in milliseconds. */
  readonly forMs: number;
};

type Range = readonly [least: number, most: number];

/** What the injections of a fault are drawn from; both ends of a range included. */
export type InjectionRanges = {
  /** How many. @default one */
  readonly times?: Range;
  /** @default 0 to 500 */
  readonly afterMs?: Range;
  /** @default 0 to 2_000 */
  readonly forMs?: Range;
  /** How many there are to hit. @default 1 */
  readonly among?: number;
};

export type Plannable = {
  readonly name: string;
  readonly injections: InjectionRanges;
  /** Whether it is in the short run, with one injection. */
  readonly short?: boolean;
};

export type PlanOptions = {
  readonly short: boolean;
  /** Only faults whose name holds this text; empty: all. */
  readonly only: string;
};

/** Who is hit when: the same for the same seed. A fault has the same injections whether others are left out or not. */
export function planOf<T extends Plannable>(
  seed: number,
  faults: readonly T[],
  { short, only }: PlanOptions,
): { readonly fault: T; readonly injections: readonly Injection[] }[] {
  return faults
    .filter((fault) => (fault.short === true || !short) && fault.name.includes(only))
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
