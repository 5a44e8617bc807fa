import type { SourceRow } from '../core/source/source-row.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { Source } from './source.ts';
import { type FollowedTable, TableFollower } from './table-follower.ts';

export type SourcesOptions = {
  /** Their rows in PostgreSQL. */
  readonly rows: FollowedTable<readonly SourceRow[]>;
  /** The files of SOURCES_DIR; null: there are none. A file wins over a row of the same name. */
  readonly files: FollowedTable<readonly SourceRow[]> | null;
  readonly clock: Clock;
  readonly log: Logger;
};

const INVALID = 'Requests to the source are refused with 503. Correct the source: sources show, sources set.';
const UNVERIFIED =
  'The source has a signature, and no secret: any signature is accepted, and requests need an API key. Add the secret: sources set.';

/** The sources that exist now. While PostgreSQL is away, the last known sources do. */
export class Sources {
  readonly name = 'sources';
  readonly #options: SourcesOptions;
  readonly #followers: readonly TableFollower<readonly SourceRow[]>[];
  readonly #rows = new Map<string, Source>();
  readonly #files = new Map<string, Source>();
  #isRead = false;

  constructor(options: SourcesOptions) {
    const { rows, files, clock, log } = options;
    this.#options = options;
    const fromRows = new TableFollower({
      table: rows,
      what: 'rule_nats_sources',
      clock,
      log,
      onRead: (read) => {
        this.#isRead = true;
        this.#replace(this.#rows, read);
      },
    });
    const fromFiles =
      files === null
        ? []
        : [
            new TableFollower({
              table: files,
              what: 'SOURCES_DIR',
              clock,
              log,
              onRead: (read) => this.#replace(this.#files, read),
            }),
          ];
    this.#followers = [...fromFiles, fromRows];
  }

  /** False while the rows have never been read: a name that is not found may have a source. */
  get isRead(): boolean {
    return this.#isRead;
  }

  /** Why the sources cannot be read now; null: they can. */
  get problem(): string | null {
    return this.#followers.find(({ problem }) => problem !== null)?.problem ?? null;
  }

  find(name: string): Source | null {
    return this.#files.get(name) ?? this.#rows.get(name) ?? null;
  }

  /** Reads the sources again, at most once in 250 ms for all callers. Resolves within a second, also if it failed. */
  async refreshed(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.refreshed()));
  }

  async start(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.stop()));
  }

  /** Makes only sources anew that changed: to compile a schema takes milliseconds. */
  #replace(sources: Map<string, Source>, rows: readonly SourceRow[]): void {
    const names = new Set(rows.map(({ name }) => name));
    for (const name of sources.keys()) if (!names.has(name)) sources.delete(name);
    for (const row of rows) {
      const known = sources.get(row.name);
      if (known !== undefined && JSON.stringify(known.row) === JSON.stringify(row)) continue;
      const source = new Source(row);
      sources.set(row.name, source);
      this.#report(source);
    }
  }

  #report({ name, problem, isSigned, row }: Source): void {
    const { log } = this.#options;
    if (problem !== null) log.warn({ source: name, error: problem, hint: INVALID }, 'source.invalid');
    else if (row.signature !== null && !isSigned) {
      log.info({ source: name, hint: UNVERIFIED }, 'source.unverified');
    }
  }
}
