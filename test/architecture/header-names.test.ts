import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Header } from '../../src/core/message/nats-headers.ts';
import { RequestHeader } from '../../src/core/request/header-names.ts';

const src = new URL('../../src/', import.meta.url);
const TABLES = ['core/message/nats-headers.ts', 'core/request/header-names.ts'];

/** Some columns of the overview page have the names of headers. */
const COLUMNS = 'dashboard/overview.ts';

const files = (readdirSync(src, { recursive: true }) as string[]).filter(
  (path) => path.endsWith('.ts') && !TABLES.includes(path) && path !== COLUMNS,
);
const textOf = new Map(
  files.map((path) => [path, readFileSync(new URL(path, src), 'utf8').toLowerCase()] as const),
);

/** A flag of a command may be named like a header. */
const FLAGS: Readonly<Record<string, string>> = { 'commands/publish.ts': `'ordering-key'` };

it.each([
  ...new Set([...Object.values(Header), ...Object.values(RequestHeader)]),
])('the header name %s occurs only in the tables of headers', (name) => {
  const literal = `'${name.toLowerCase()}'`;
  expect(
    [...textOf]
      .filter(([file, text]) => text.includes(literal) && FLAGS[file] !== literal)
      .map(([path]) => path),
  ).toEqual([]);
});
