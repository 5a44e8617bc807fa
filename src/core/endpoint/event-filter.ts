/**
 * True if a filter matches an event type. A filter is the type itself, or a pattern: `*` stands for any number of characters,
 * dots too, so `order.*` matches `order.line.added`; a `>` at the end, as in NATS, stands for at least one character.
 */
export function takes(filter: string, type: string): boolean {
  const pattern = filter.endsWith('>') ? `${filter.slice(0, -1)}*` : filter;
  if (filter.endsWith('>') && type.length < filter.length) return false;
  const [start, ...rest] = pattern.split('*') as [string, ...string[]];
  const end = rest.pop();
  if (end === undefined) return type === pattern;
  if (!type.startsWith(start) || !type.endsWith(end)) return false;
  // Each part is taken where it first occurs: a later occurrence would leave less text for the other parts.
  let at = start.length;
  for (const part of rest) {
    const found = type.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= type.length - end.length;
}

/** True if a filter accepts every event, also an event without a type: `*`, or `>` as in NATS. */
export function takesAll(filter: string): boolean {
  return /^(?:\*+>?|>)$/.test(filter);
}
