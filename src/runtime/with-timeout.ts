import { type Clock, systemClock } from './clock.ts';

/** Resolves to true if the work is done within `ms` milliseconds, else to false. Work that takes longer is not stopped. */
export async function withTimeout(
  ms: number,
  work: Promise<unknown>,
  clock: Clock = systemClock,
): Promise<boolean> {
  let cancel = () => {};
  const tooLate = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(false));
  });
  try {
    return await Promise.race([work.then(() => true), tooLate]);
  } finally {
    cancel();
  }
}
