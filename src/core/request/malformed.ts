/** A message that no attempt can be made of, and why, for a person. Holds no header's value, no password, no query. */
export type Malformed = { readonly kind: 'malformed'; readonly detail: string };

/** What our own rules forbid, whatever it resolves to, and why, for a person. */
export type Forbidden = { readonly kind: 'forbidden'; readonly detail: string };

export function malformed(detail: string): Malformed {
  return { kind: 'malformed', detail };
}
