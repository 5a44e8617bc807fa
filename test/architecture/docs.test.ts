import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { TAKEN_FROM_OTHERS, UNUSED_OF_OTHERS } from '../../src/config/other-systems.ts';
import { RENAMED, RETIRED } from '../../src/config/renamed.ts';
import { specifications } from '../../src/config/settings.ts';
import { PAGES, readPage } from '../program/manual.ts';
import { logEventsInSource } from './log-events.ts';
import { documentedSettings, settingsPage, specificationOf } from './settings-page.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const SETTINGS_PAGE = 'docs/settings.md';
// To write the page: UPDATE_DOCS=1 npx vitest run test/architecture/docs.test.ts
if (process.env.UPDATE_DOCS === '1') writeFileSync(new URL(SETTINGS_PAGE, root), settingsPage());

const names = Object.keys(specifications).sort();
const env = parseEnv(read('.env'));
const documented = documentedSettings();

/** Settings whose default depends on the machine or on another setting, with the text that the comment contains. */
const DEPENDS = {
  CONSUMER_NAME: 'webhook-worker-<hostname>',
  CONCURRENCY: '256',
  MAX_ATTEMPTS: '7',
  DLQ_STREAM_NAME: '<STREAM_NAME>_DLQ',
  PARKED_STREAM_NAME: '<STREAM_NAME>_PARKED',
  ORDERED_STREAM_NAME: '<STREAM_NAME>_ORDERED',
  ORDERED_SUBJECT: 'webhooks.ordered.*',
};
/** A port is neither too low nor too high. */
const PORTS = ['HTTP_PORT', 'PORT', 'ADMIN_PORT'];
/** Settings that `npm start` treats differently if they are set. */
const EMPTY_IN_ENV = ['NATS_URL', 'DATABASE_URL', 'API_AUTH', ...Object.keys(DEPENDS)];

function defaultOf(name: string): string {
  const value = specificationOf(name).default;
  return Array.isArray(value) ? value.join(',') : String(value ?? '');
}

const digits = (text: string) => text.replaceAll('_', '');

describe('the documentation of the settings', () => {
  it('lists in .env exactly the settings that exist', () => {
    expect(Object.keys(env).sort()).toEqual(names);
  });

  it('has a comment above every setting in src/config', () => {
    expect([...documented.keys()].sort()).toEqual(names);
  });

  it('comments every setting in .env', () => {
    const uncommented = read('.env').match(/^(?!#).+\n[A-Z_]+=/gm) ?? [];
    expect(uncommented).toEqual([]);
  });

  it.each(names)('gives the same default of %s in .env, in its comment and in the code', (name) => {
    const inComment = digits(documented.get(name)!.byDefault);
    expect(inComment).toContain(digits(DEPENDS[name as keyof typeof DEPENDS] ?? defaultOf(name)));
    expect(env[name]).toBe(EMPTY_IN_ENV.includes(name) ? '' : defaultOf(name));
  });

  it.each(names)('names %s, and the range that the code accepts, in its comment', (name) => {
    const { env: named, range, accepts } = documented.get(name)!;
    expect(named).toBe(name);
    if (accepts === null) return;
    const [, min, max] = /^([\d_.]+)(?: \(.*?\))? to ([\d_.]+)$/.exec(range ?? '') ?? [];
    expect(digits(`${min} to ${max}`)).toBe(digits(`${accepts.min} to ${accepts.max}`));
  });

  it.each(names)('says what goes wrong when %s is too low or too high, if it has a range', (name) => {
    const { accepts, tooLow, tooHigh } = documented.get(name)!;
    if (accepts === null || PORTS.includes(name)) return;
    expect(tooLow).not.toBeNull();
    expect(tooHigh).not.toBeNull();
  });

  it('is exactly the page docs/settings.md', () => {
    expect(readPage(SETTINGS_PAGE)).toBe(settingsPage());
  });
});

describe('the table of renamed settings', () => {
  it('has the same old and new names as the code', () => {
    const rows = [...readPage('docs/upgrading.md').matchAll(/^\| `([A-Z_]+)` \| `([A-Z_]+)` \|$/gm)];
    expect(Object.fromEntries(rows.map(([, oldName, name]) => [oldName, name]))).toEqual(RENAMED);
  });
});

describe('the pages for users of other systems', () => {
  const pages = PAGES.filter((page) => page.startsWith('docs/migrating-from-'));
  const rowsOf = (name: string) =>
    pages.flatMap((page) => readPage(page).match(new RegExp(`^\\| \`${name}\`.*$`, 'gm')) ?? []);

  it.each(Object.entries(TAKEN_FROM_OTHERS))('say that %s is %s here', (other, name) => {
    expect(rowsOf(other).length).toBeGreaterThan(0);
    for (const row of rowsOf(other))
      expect(row).toMatch(new RegExp(`\\| \`${name}\`.*; the old name is understood`));
  });

  it.each(Object.keys(UNUSED_OF_OTHERS))('say what does the job of %s here', (other) => {
    expect(rowsOf(other).length).toBeGreaterThan(0);
    for (const row of rowsOf(other)) expect(row).not.toContain('the old name is understood');
  });
});

describe('the table of log events', () => {
  const [, table = ''] =
    /<!-- log events: begin -->(.*)<!-- log events: end -->/s.exec(readPage('docs/troubleshooting.md')) ?? [];
  const rows = [...table.matchAll(/^\| `([a-z_.]+)` \| ([^|]*) \|/gm)];
  const levels = new Map(rows.map(([, event, level]) => [event!, level!]));
  const logged = logEventsInSource();

  it('has each event of the source once, and no other event', () => {
    const found = rows.map(([, event]) => event!);
    expect(found.sort()).toEqual([...new Set(logged.map(({ event }) => event))].sort());
  });

  it('has the right level of each event', () => {
    const wrong = logged.filter(({ event, level }) => !levels.get(event)?.includes(level ?? ''));
    expect(wrong).toEqual([]);
  });
});

/** The anchors that GitHub makes of the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = [...withoutCode(readPage(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

const withoutCode = (page: string) => page.replace(/^```.*?^```$/gms, '');

function brokenLinksOf(page: string): string[] {
  const links = [...withoutCode(readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^https:\/\//.test(link)) return false;
    const [path, anchor] = link.split('#') as [string, string?];
    const target = path === '' ? page : new URL(path, new URL(page, 'file:///')).pathname.slice(1);
    if (!existsSync(new URL(target, root))) return true;
    return anchor !== undefined && !(PAGES.includes(target) && anchorsOf(target).includes(anchor));
  });
}

/** Names of streams, and variables that only the compose files and the tests read. */
const NO_SETTINGS = [
  'WEBHOOKS_DLQ',
  'WEBHOOKS_PARKED',
  'WEBHOOKS_ORDERED',
  'NATS_PORT',
  'POSTGRES_PORT',
  'API_PORT',
  'POSTGRES_PASSWORD',
  'BIND_ADDRESS',
  'TEST_POSTGRES',
  'TEST_CONTAINERS',
  'TEST_PGBOUNCER',
  'NODE_EXTRA_CA_CERTS',
];

describe('the manual', () => {
  it.each(PAGES)('%s has no broken link', (page) => {
    expect(brokenLinksOf(page)).toEqual([]);
  });

  const filesOf = (page: string) =>
    [...readPage(page).matchAll(/`((?:src|sql|test|docs)\/[\w./-]+)`/g)].map(([, path]) => path!);

  it.each(PAGES)('%s names only files that exist', (page) => {
    expect(filesOf(page).filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  });

  it('names in docs/architecture.md the files to open for a change', () => {
    expect(filesOf('docs/architecture.md').length).toBeGreaterThan(20);
  });

  it.each(PAGES)('%s names only settings that exist, or that were renamed or retired', (page) => {
    const named = [...withoutCode(readPage(page)).matchAll(/`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g)];
    const tables = [RENAMED, RETIRED, TAKEN_FROM_OTHERS, UNUSED_OF_OTHERS];
    const known = new Set([...names, ...tables.flatMap((table) => Object.keys(table)), ...NO_SETTINGS]);
    expect(named.map(([, name]) => name!).filter((name) => !known.has(name))).toEqual([]);
  });

  it.each(
    PAGES.filter((page) => page.startsWith('docs/')),
  )('%s starts with the questions that it answers', (page) => {
    expect(readPage(page)).toMatch(/^# .+\n\nThis page answers: .+/);
  });

  it.each(PAGES.filter((page) => page.startsWith('docs/')))('%s ends with the section Read on', (page) => {
    expect(readPage(page)).toMatch(/\n## Read on\n\n(- .*\n( {2}.*\n)*)+$/);
  });

  it.each(PAGES.filter((page) => page.startsWith('docs/')))('%s is linked from the README', (page) => {
    expect(readPage('README.md')).toContain(`](${page}`);
  });

  it('has a README of at most 160 lines', () => {
    expect(readPage('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(160);
  });
});
