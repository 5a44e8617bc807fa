/**
 * Values by subject patterns with NATS wildcards: `*` is one token, `>` at the end is one or more tokens. The patterns form a tree
 * of their tokens, so that a lookup visits only the tokens that a subject can match, however many patterns there are.
 */
export class SubjectTree<V> {
  readonly #root = newNode<V>();

  add(pattern: string, value: V): void {
    const tokens = pattern.split('.');
    let node = this.#root;
    for (const [index, token] of tokens.entries()) {
      if (isTail(tokens, index)) {
        node.tails.add(value);
        return;
      }
      node = childFor(node, token);
    }
    node.values.add(value);
  }

  /** Takes the value away from the pattern it was added with. */
  delete(pattern: string, value: V): void {
    const tokens = pattern.split('.');
    const visited: Node<V>[] = [this.#root];
    for (const [index, token] of tokens.entries()) {
      if (isTail(tokens, index)) break;
      const next = token === '*' ? visited.at(-1)!.star : visited.at(-1)!.literals.get(token);
      if (next == null) return;
      visited.push(next);
    }
    const last = visited.at(-1)!;
    if (visited.length <= tokens.length) last.tails.delete(value);
    else last.values.delete(value);
    // A node that leads nowhere is removed, so that a tree whose patterns come and go does not grow.
    for (let depth = visited.length - 1; depth > 0 && isEmpty(visited[depth]!); depth--) {
      const token = tokens[depth - 1]!;
      if (token === '*') visited[depth - 1]!.star = null;
      else visited[depth - 1]!.literals.delete(token);
    }
  }

  /** The values of all patterns that match a subject without wildcards, in no order. */
  match(subject: string): V[] {
    const found: V[] = [];
    const tokens = subject.split('.');
    let nodes = [this.#root];
    for (const token of tokens) {
      const next: Node<V>[] = [];
      for (const node of nodes) {
        for (const value of node.tails) found.push(value);
        const literal = node.literals.get(token);
        if (literal !== undefined) next.push(literal);
        if (node.star !== null) next.push(node.star);
      }
      if (next.length === 0) return found;
      nodes = next;
    }
    for (const node of nodes) for (const value of node.values) found.push(value);
    return found;
  }
}

/** True if a pattern has a wildcard. Any other `*` or `>` is an ordinary character of its token. */
export function isPattern(subject: string): boolean {
  return /(^|\.)(\*(\.|$)|>$)/.test(subject);
}

type Node<V> = {
  readonly literals: Map<string, Node<V>>;
  star: Node<V> | null;
  /** Of the patterns that end at this node. */
  readonly values: Set<V>;
  /** Of the patterns that go on with `>`. */
  readonly tails: Set<V>;
};

function newNode<V>(): Node<V> {
  return { literals: new Map(), star: null, values: new Set(), tails: new Set() };
}

function childFor<V>(node: Node<V>, token: string): Node<V> {
  if (token === '*') {
    node.star ??= newNode();
    return node.star;
  }
  const known = node.literals.get(token);
  if (known !== undefined) return known;
  const made = newNode<V>();
  node.literals.set(token, made);
  return made;
}

function isTail(tokens: readonly string[], index: number): boolean {
  return tokens[index] === '>' && index === tokens.length - 1;
}

function isEmpty<V>({ literals, star, values, tails }: Node<V>): boolean {
  return literals.size === 0 && star === null && values.size === 0 && tails.size === 0;
}
