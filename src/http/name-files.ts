import { readFileSync, statSync } from 'node:fs';

/** The search list of /etc/resolv.conf. */
export type SearchList = {
  /** Domains that complete a name, in their order, without a dot at the end. */
  readonly domains: readonly string[];
  /** A name with fewer dots is completed first, and asked for as it stands only after that. */
  readonly ndots: number;
};

/** The greatest value that resolvers accept. */
const MOST_NDOTS = 15;

/** All names of the text of /etc/hosts, in lower case. */
export function namesInHosts(text: string): ReadonlySet<string> {
  return new Set(text.replace(/#.*/g, '').toLowerCase().split(/\s+/));
}

/** Reads the text of /etc/resolv.conf. The last line of `search` and `domain` counts, as resolv.conf(5) says. */
export function searchListIn(text: string): SearchList {
  let domains: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'search') domains = values;
    else if (keyword === 'domain') domains = values.slice(0, 1);
    else if (keyword === 'options') {
      for (const option of values) {
        const [, number] = /^ndots:(\d+)$/.exec(option) ?? [];
        if (number !== undefined) ndots = Math.min(Number(number), MOST_NDOTS);
      }
    }
  }
  return { domains: domains.map((domain) => domain.replace(/\.+$/, '').toLowerCase()), ndots };
}

/**
 * The names to ask DNS for, in their order. A domain of the search list that is the root completes nothing.
 *
 * @param name Without a dot at the end.
 */
export function namesToAsk(name: string, { domains, ndots }: SearchList): string[] {
  const completed = domains.map((domain) => (domain === '' ? name : `${name}.${domain}`));
  const dots = name.split('.').length - 1;
  const names = dots < ndots ? [...completed, name] : [name, ...completed];
  return [...new Set(names)];
}

/**
 * A file that may change while the worker runs, as /etc/hosts and /etc/resolv.conf of a container do. It is looked at for every new
 * connection, which takes a few microseconds, and read only after a change.
 *
 * @returns what `parse` makes of the file; null: the file cannot be read
 */
export function changingFile<T>(path: string, parse: (text: string) => T): () => T | null {
  let version = '';
  let parsed: T | null = null;
  return () => {
    try {
      const { ino, size, mtimeNs } = statSync(path, { bigint: true });
      const found = `${ino} ${size} ${mtimeNs}`;
      if (found !== version) {
        parsed = parse(readFileSync(path, 'utf8'));
        version = found;
      }
    } catch {
      version = '';
      parsed = null;
    }
    return parsed;
  };
}
