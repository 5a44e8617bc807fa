import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';

export type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

/**
 * Calls `check` until it returns (or resolves to) a truthy value, and returns that value. A check that throws counts as not yet
 * true, so it may contain `expect`.
 * @param options.timeoutMs How long to try, in milliseconds. @default 50_000: shorter than the timeout of vitest, whose error says
 * less.
 * @throws Error that shows the last value or the last error.
 */
export async function until<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 50_000 }: { timeoutMs?: number } = {},
): Promise<Truthy<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { value, error } = await attempt(check);
    if (value) return value as Truthy<T>;
    if (performance.now() > deadline) {
      const last =
        error === undefined ? `the last value was ${inspect(value)}` : `it last threw ${inspect(error)}`;
      throw new Error(`Not true within ${timeoutMs} ms: ${check}\n${last}`);
    }
    await pause(20);
  }
}

async function attempt<T>(check: () => T | Promise<T>): Promise<{ value?: T; error?: unknown }> {
  try {
    return { value: await check() };
  } catch (error) {
    return { error };
  }
}
