/**
 * Whether a filter takes an event: it is the type itself, or a pattern. `*` stands for any characters, or none, dots
 * too, so that `order.*` takes `order.line.added`; a `>` at the end, as NATS writes it, for at least one.
 */
export function takes(filter: string, type: string): boolean {
  const pattern = filter.endsWith('>') ? `${filter.slice(0, -1)}*` : filter;
  if (filter.endsWith('>') && type.length < filter.length) return false;
  const [start, ...rest] = pattern.split('*') as [string, ...string[]];
  const end = rest.pop();
  if (end === undefined) return type === pattern;
  if (!type.startsWith(start) || !type.endsWith(end)) return false;
  // Each part where it first stands: a later place would leave less for the others.
  let at = start.length;
  for (const part of rest) {
    const found = type.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= type.length - end.length;
}
