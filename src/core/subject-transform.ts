import { meetOf } from './subject.ts';

/** A subject transform of NATS. An empty `src` matches every subject; an empty `dest` changes none. */
export type SubjectTransform = { readonly src?: string; readonly dest?: string };

const FUNCTION = /\{\{([^}]*)\}\}/g;
const WILDCARD = /^\s*wildcard\(\s*(\d+)\s*\)\s*$/i;
/** These functions make several tokens of one. */
const MAKES_TOKENS = /^\s*(?:split|slice)/i;

/**
 * The subjects that a transform makes of the subjects of a pattern, as a pattern. The pattern may be too wide, because not every
 * function of NATS is computed, but it is never too narrow.
 *
 * @returns Null if the transform changes no subject of the pattern.
 */
export function transformedPattern(pattern: string, { src, dest }: SubjectTransform): string | null {
  const from = src || '>';
  const met = meetOf(pattern, from);
  if (met === null || !dest) return met;
  const metTokens = met.split('.');
  const fromTokens = from.split('.');
  // The token that each wildcard of `src` stands for. After a `>`, it may be any token.
  const wildcards = fromTokens.flatMap((token, at) =>
    token === '*' ? [literal(metTokens.slice(0, at + 1)) ?? '*'] : [],
  );
  const functions: string[] = [];
  const marked = dest.replace(FUNCTION, (_, inner: string) => `\0${functions.push(inner) - 1}\0`);
  const made: string[] = [];
  for (const token of marked.split('.')) {
    if (token === '>') return [...made, ...restOf(metTokens, fromTokens.length - 1)].join('.');
    const only = functions[Number(/^\0(\d+)\0$/.exec(token)?.[1])] ?? '';
    if (MAKES_TOKENS.test(only)) return [...made, '>'].join('.');
    const number = WILDCARD.exec(only)?.[1] ?? /^\$(\d+)$/.exec(token)?.[1];
    if (number !== undefined) made.push(wildcards[Number(number) - 1] ?? '*');
    else made.push(/\0|\$\d/.test(token) ? '*' : token);
  }
  return made.join('.');
}

/** The last of the tokens; undefined if a `>` stands before it, or for it. */
function literal(tokens: readonly string[]): string | undefined {
  return tokens.includes('>') ? undefined : tokens.at(-1);
}

/** The tokens that the `>` at the end of `src` stands for. */
function restOf(tokens: readonly string[], from: number): readonly string[] {
  return tokens.length > from ? tokens.slice(from) : ['>'];
}
