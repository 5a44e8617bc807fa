/** Whether a subject, without wildcards, matches a pattern of NATS: `*` is one token, `>` at the end one or more. */
export function matches(pattern: string, subject: string): boolean {
  const tokens = subject.split('.');
  const wanted = pattern.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>' && index === wanted.length - 1) return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return tokens.length === wanted.length;
}

/** The last token: of `webhooks.<name>`, the name. */
export function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
