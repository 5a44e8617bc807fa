/** What a key allows. Every right has to be granted: a key without scopes allows nothing. */
export type Scopes = {
  /** Patterns of the names that the key may publish to. `*` stands for any characters, also none. */
  readonly publish: readonly string[];
  readonly rights: ReadonlySet<Right>;
};

/**
 * `url`: publish to a URL that the request names. `stats`: read counts. `read`: read webhooks, endpoints and dead letters.
 * `operate`: retry, replay, pause. `administer`: change endpoints, secrets and keys.
 */
export type Right = 'url' | 'stats' | 'read' | 'operate' | 'administer';

/** What a request needs. */
export type Need = Right | { readonly publish: string };

const RIGHTS: readonly Right[] = ['url', 'stats', 'read', 'operate', 'administer'];

/** Each of these rights includes the rights behind it. */
const INCLUDES: Readonly<Partial<Record<Right, readonly Right[]>>> = {
  administer: ['operate', 'read', 'stats'],
  operate: ['read', 'stats'],
  read: ['stats'],
};

/** Names and patterns: no white space, and none of the characters that separate scopes. */
const PATTERN = /^[^\s,+=:]{1,200}$/;

export const NO_SCOPES: Scopes = { publish: [], rights: new Set() };

/**
 * Parses scopes such as `publish:payments`, `publish:orders-*`, `publish` (all names), `stats`.
 *
 * @returns A sentence that says what is wrong, if one of them is no scope.
 */
export function parseScopes(texts: readonly string[]): Scopes | string {
  const publish = new Set<string>();
  const rights = new Set<Right>();
  for (const text of texts) {
    const pattern = text === 'publish' ? '*' : /^publish:(.*)$/s.exec(text)?.[1];
    const right = RIGHTS.find((each) => each === text);
    if (pattern !== undefined && PATTERN.test(pattern)) publish.add(pattern);
    else if (right !== undefined) for (const each of [right, ...(INCLUDES[right] ?? [])]) rights.add(each);
    else {
      return `"${text}" is not a scope: publish:<name>, publish:<pattern with *>, ${RIGHTS.join(', ')}`;
    }
  }
  return { publish: [...publish], rights };
}

/** True if the scopes allow what a request needs. */
export function allows({ publish, rights }: Scopes, need: Need): boolean {
  if (typeof need === 'string') return rights.has(need);
  return publish.some((pattern) => matchesPattern(pattern, need.publish));
}

/** What a key lacks for a request, for a person. */
export function whatIsMissing(need: Need): string {
  const scope = typeof need === 'string' ? need : `publish:${need.publish}`;
  return `This API key lacks the scope ${scope}.`;
}

/** Takes time in proportion to the lengths, also for a pattern with many `*`. */
function matchesPattern(pattern: string, name: string): boolean {
  const [first, ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first!) || !name.endsWith(last) || name.length < first!.length + last.length) {
    return false;
  }
  let at = first!.length;
  const end = name.length - last.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
