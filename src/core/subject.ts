/** True if a subject without wildcards matches a NATS pattern: `*` is one token, `>` at the end is one or more tokens. */
export function matches(pattern: string, subject: string): boolean {
  const tokens = subject.split('.');
  const wanted = pattern.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>' && index === wanted.length - 1) return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return tokens.length === wanted.length;
}

/** The last token of a subject: the name in `webhooks.<name>`. */
export function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** True if a subject can match both patterns. */
export function overlap(a: string, b: string): boolean {
  return meetOf(a, b) !== null;
}

/** True if every subject that matches `inner` also matches `outer`. */
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

/** The pattern of the subjects that match both patterns; null if there are none. */
export function meetOf(a: string, b: string): string | null {
  const [ones, others] = [a.split('.'), b.split('.')];
  const met: string[] = [];
  for (let at = 0; at < ones.length || at < others.length; at++) {
    const [one, other] = [ones[at], others[at]];
    if (one === undefined || other === undefined) return null;
    if (one === '>') return [...met, ...others.slice(at)].join('.');
    if (other === '>') return [...met, ...ones.slice(at)].join('.');
    if (one !== '*' && other !== '*' && one !== other) return null;
    met.push(one === '*' ? other : one);
  }
  return met.join('.');
}

/** A character that no subject has; or a token that is empty, or a wildcard. */
const NOT_PUBLISHABLE = /[\s\0\x7f]|(?:^|\.)[*>]?(?:\.|$)/;

/**
 * True if a message can be published to the subject and found there again: no token is empty, or a wildcard. nats-server stores a
 * message on a subject with the byte 0x7f (DEL), but its index of subjects leaves it out.
 */
export function isPublishable(subject: string): boolean {
  return subject !== '' && !NOT_PUBLISHABLE.test(subject);
}
