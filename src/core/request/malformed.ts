/** Why a message cannot be sent at all, for a person. Holds no header's value, no password, no query. */
export type Malformed = { readonly kind: 'malformed'; readonly detail: string };

/** Why the worker's own rules forbid a URL, whatever address its host has, for a person. */
export type Forbidden = { readonly kind: 'forbidden'; readonly detail: string };

export function malformed(detail: string): Malformed {
  return { kind: 'malformed', detail };
}
