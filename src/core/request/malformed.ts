/** Why a message cannot be sent at all, for a person. Holds no header's value, no password, no query. */
export type Malformed = { readonly kind: 'malformed'; readonly detail: string };

/** Why the worker's own rules forbid a URL, whatever address its host has, for a person. */
export type Forbidden = { readonly kind: 'forbidden'; readonly detail: string };

export function malformed(detail: string): Malformed {
  return { kind: 'malformed', detail };
}

/**
 * The longest URL, headers and params of a message or a row, in bytes. No server takes longer ones, and the URL is also in logs and
 * tables. Above it: malformed.
 */
export const LONGEST_FIELD = 65_536;
