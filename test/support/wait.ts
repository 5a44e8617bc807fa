import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';

export type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

/**
 * Calls `check` until what it returns (or resolves to) is truthy, and returns that. A check that throws has just not come
 * true yet, so `expect` may stand in it.
 * @param options.timeoutMs when to give up, in milliseconds. @default 50_000: just before vitest does, which says less
 * @throws Error that shows the last value, or what was thrown last
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
