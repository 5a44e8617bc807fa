import type { Need } from '../core/access/scopes.ts';
import type { Problem } from '../runtime/problem.ts';

export type { Need };

/** Who sends a request. */
export interface Caller {
  /** The id of the API key. Empty in open mode, and for a source with a signature of its own. */
  readonly id: string;
  /** Null, or why the caller may not do this. */
  refusal(need: Need): Problem | null;
}

/** What a check needs of a request. Names of headers in lower case. */
export type RequestHead = {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
};

/** A source that a request is for. */
export type SourceOfRequest = {
  readonly name: string;
  /** False: a valid signature, which is checked later, takes the place of an API key. */
  readonly needsKey: boolean;
};

/** Checks who sends a request, before its body is read. */
export interface Access {
  /** Checks `Origin` and the API key. */
  callerOf(head: RequestHead, source?: SourceOfRequest | null): Caller | Problem | Promise<Caller | Problem>;
}

export function isProblem(value: Caller | Problem): value is Problem {
  return 'kind' in value;
}

/** The id of a caller that signs its requests. */
export const SIGNER_ID = 'source';

/** Whoever signs the requests to a source: the name is his. */
export function signerOf({ name }: SourceOfRequest, refused: Problem): Caller {
  return {
    id: SIGNER_ID,
    refusal: (need) => (typeof need === 'object' && need.publish === name ? null : refused),
  };
}

/** API_AUTH=open: everybody may do everything that the API offers. */
export const OPEN: Caller = { id: '', refusal: () => null };
