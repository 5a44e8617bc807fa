/** Whether some subject matches both patterns. */
export function overlap(a: string, b: string): boolean {
  return meet(a.split('.'), b.split('.'));
}

/** Whether every subject that matches `inner` also matches `outer`. */
export function covers(outer: string, inner: string): boolean {
  const inners = inner.split('.');
  const outers = outer.split('.');
  for (const [index, token] of outers.entries()) {
    const other = inners[index];
    if (other === undefined) return false;
    if (token === '>') return true;
    if (other === '>') return false;
    if (token !== '*' && token !== other) return false;
  }
  return outers.length === inners.length;
}

/** Whether a message can be published to it: tokens that are not empty, and no wildcard. */
export function isPublishable(subject: string): boolean {
  return !/[\s\0]/.test(subject) && subject.split('.').every((token) => !['', '*', '>'].includes(token));
}

function meet([a, ...as]: readonly string[], [b, ...bs]: readonly string[]): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a === '>' || b === '>') return true;
  return (a === '*' || b === '*' || a === b) && meet(as, bs);
}
