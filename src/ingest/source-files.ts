import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_FIELDS, type SourceRow, sourceRowOf } from '../core/source/source-row.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { FollowedTable } from './table-follower.ts';

/** The files of a folder, `<name>.json`, each one source. They are read again and again: mounted folders tell of no changes. */
export function sourceFiles(folder: string): FollowedTable<readonly SourceRow[]> {
  return {
    async read(known) {
      const names = (await readdir(folder)).filter((name) => /^[^.].*\.json$/.test(name)).sort();
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
      const version = createHash('sha256')
        .update(JSON.stringify([names, texts]))
        .digest('hex');
      if (version === known) return { version };
      return {
        version,
        rows: names.map((name, index) => sourceOfFile(name.slice(0, -'.json'.length), texts[index]!)),
      };
    },
    listen: () => ({ stop: () => {} }),
  };
}

/**
 * Reads the text of a file: the columns of `rule_nats_sources` as fields, and `secrets`, a list with the newest first. A file
 * that is wrong is a source with a problem, because nothing unchecked may come in under its name.
 */
export function sourceOfFile(name: string, text: string): SourceRow {
  const wrong = (problem: string) => ({ ...sourceRowOf(name, {}, []), problem: `${name}.json: ${problem}` });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return wrong(withoutText(errorMessage(error)));
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return wrong('is not a JSON object');
  const { secrets = [], ...fields } = json as Record<string, unknown>;
  if (!Array.isArray(secrets) || secrets.some((secret) => typeof secret !== 'string')) {
    return wrong('secrets is not a list of texts');
  }
  const unknown = Object.keys(fields).filter((field) => !SOURCE_FIELDS.includes(field));
  if (unknown.length > 0) return wrong(`no field has the name ${unknown.join(', ')}`);
  return sourceRowOf(name, fields, secrets as string[]);
}

/** The message of JSON.parse quotes the file, which may hold a secret. */
function withoutText(message: string): string {
  return `is not JSON${/ at position \d+( \(line \d+ column \d+\))?/.exec(message)?.[0] ?? ''}`;
}
