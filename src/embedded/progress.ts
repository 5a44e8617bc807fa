/** Says one line to the user. */
export type Say = (line: string) => void;

/** Does `work`, and says `line` once that takes longer than a second. */
export async function announceIfSlow<T>(
  line: string,
  say: Say | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => say?.(line), 1000);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}
