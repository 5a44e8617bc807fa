import { errorMessage, UserError } from '../../runtime/failure.ts';

/** A place to look for a program, by a name for the user, and how to get the program's path from there if it has one. */
export type Candidate = readonly [name: string, locate: () => Promise<string | undefined>];

/**
 * Looks through the places in order.
 * @param inspect what is found, or one line that says why it cannot be used
 * @param nothingFound the message for the user, given one line for each place that was tried
 * @throws UserError if no place has a usable one
 */
export async function firstUsable<T extends object>(
  candidates: readonly Candidate[],
  inspect: (path: string) => Promise<T | string>,
  nothingFound: (tries: string) => string,
): Promise<T> {
  const tries: string[] = [];
  for (const [name, locate] of candidates) {
    const found = await look(locate, inspect);
    if (typeof found !== 'string') return found;
    tries.push(`  - ${name}: ${found}`);
  }
  throw new UserError(nothingFound(tries.join('\n')));
}

async function look<T>(
  locate: Candidate[1],
  inspect: (path: string) => Promise<T | string>,
): Promise<T | string> {
  try {
    const path = await locate();
    return path === undefined ? 'there is none' : await inspect(path);
  } catch (error) {
    return errorMessage(error);
  }
}
