import { errorMessage, UserError } from '../../runtime/failure.ts';

/** A place to look for a program: its name for the user, and a function that returns the program's path if it is there. */
export type Candidate = readonly [name: string, locate: () => Promise<string | undefined>];

/**
 * Tries the candidates in order, and returns the first usable one.
 * @param inspect returns the candidate's result, or one line that says why the program cannot be used
 * @param nothingFound makes the message for the user of one line per candidate
 * @throws UserError if no candidate has a usable program
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
