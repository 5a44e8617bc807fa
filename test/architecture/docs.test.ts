import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { specifications } from '../../src/config/settings.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const names = Object.keys(specifications).sort();
const env = parseEnv(read('.env'));
const rows = new Map(
  [...read('README.md').matchAll(/^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$/gm)].map(
    ([, name, byDefault, says]) => [name!, { byDefault: byDefault!, says: says! }],
  ),
);

/** Those whose default is not one text: it depends on the machine or on another setting, or stands empty in `.env`. */
const DEPENDS = {
  CONSUMER_NAME: 'webhook-worker-<hostname>',
  CONCURRENCY: '256',
  DLQ_STREAM_NAME: '<STREAM_NAME>_DLQ',
  PARKED_STREAM_NAME: '<STREAM_NAME>_PARKED',
  ORDERED_STREAM_NAME: '<STREAM_NAME>_ORDERED',
  ORDERED_SUBJECT: 'webhooks.ordered.*',
};
const EMPTY_IN_ENV = ['NATS_URL', 'DATABASE_URL', ...Object.keys(DEPENDS)];

function defaultOf(name: string): string {
  const value: unknown = specifications[name as keyof typeof specifications].default;
  return Array.isArray(value) ? value.join(',') : String(value ?? '');
}

describe('the documentation of the settings', () => {
  it('names in .env just the settings that exist', () => {
    expect(Object.keys(env).sort()).toEqual(names);
  });

  it('names in the README just the settings that exist', () => {
    expect([...rows.keys()].sort()).toEqual(names);
  });

  it('comments every setting in .env', () => {
    const uncommented = read('.env').match(/^(?!#).+\n[A-Z_]+=/gm) ?? [];
    expect(uncommented).toEqual([]);
  });

  it.each(names)('says the same default of %s in .env, in the README and in the code', (name) => {
    const inReadme = rows.get(name)!.byDefault.replaceAll('`', '');
    expect(inReadme).toContain(DEPENDS[name as keyof typeof DEPENDS] ?? defaultOf(name));
    expect(env[name]).toBe(EMPTY_IN_ENV.includes(name) ? '' : defaultOf(name));
  });

  it.each(names)('describes %s in the README as the code does', (name) => {
    expect(rows.get(name)!.says).toBe(specifications[name as keyof typeof specifications].desc);
  });
});

describe('the README', () => {
  it('names only files that exist', () => {
    const paths = [...read('README.md').matchAll(/`(src\/[\w./-]+|sql\/[\w./-]+)`/g)].map(
      ([, path]) => path!,
    );
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) expect(existsSync(new URL(path, root)), path).toBe(true);
  });
});
