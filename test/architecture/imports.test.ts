import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const src = new URL('../../src/', import.meta.url);
const files = (readdirSync(src, { recursive: true }) as string[]).filter((path) => path.endsWith('.ts'));

const STAGES = ['ingest', 'outbox', 'delivery', 'publishing', 'receiver', 'load', 'dashboard'];
const ADAPTERS = ['nats', 'postgres', 'http'];

/** The folders and packages that each folder may import, beside itself, `node:` and the types of pino (docs/architecture.md). */
const MAY_IMPORT: Record<string, { readonly folders: string[]; readonly packages: string[] }> = {
  core: { folders: [], packages: [] },
  runtime: { folders: [], packages: ['pino', 'pino-pretty'] },
  config: { folders: ['core', 'runtime'], packages: ['envalid'] },
  ingest: { folders: ['core', 'runtime'], packages: ['fastify', 'ajv', 'ajv-formats', 're2js'] },
  outbox: { folders: ['core', 'runtime'], packages: [] },
  delivery: { folders: ['core', 'runtime'], packages: ['p-limit'] },
  publishing: { folders: ['core', 'runtime'], packages: [] },
  receiver: { folders: ['core', 'runtime'], packages: [] },
  load: { folders: ['core', 'runtime'], packages: [] },
  dashboard: { folders: ['core', 'runtime'], packages: [] },
  nats: { folders: ['core', 'runtime'], packages: ['nats'] },
  postgres: { folders: ['core', 'runtime'], packages: ['pg'] },
  http: { folders: ['core', 'runtime'], packages: ['undici', 'fastify', '@fastify'] },
  embedded: { folders: ['runtime'], packages: [] },
};

const folderOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');
const read = (path: string) => readFileSync(new URL(path, src), 'utf8');

/** The code without its comments, which may name things that the code may not use. */
const codeOf = (path: string) => read(path).replace(/\/\*[\s\S]*?\*\/|(?<![:'"`\w])\/\/.*$/gm, '');

function importsOf(path: string): string[] {
  return [...read(path).matchAll(/(?:from|import\(|^import)\s*'([^']+)'/gm)].map(
    ([, specifier]) => specifier!,
  );
}

function forbiddenImports(path: string): string[] {
  const folder = folderOf(path);
  const allowed = MAY_IMPORT[folder];
  if (allowed === undefined) return [];
  return importsOf(path).filter((specifier) => {
    if (specifier.startsWith('node:')) return false;
    if (specifier.startsWith('.')) {
      const target = folderOf(new URL(specifier, new URL(path, src)).href.slice(src.href.length));
      return target !== folder && !allowed.folders.includes(target);
    }
    const name = specifier.split('/')[0]!;
    return name !== 'pino' && !allowed.packages.includes(name);
  });
}

/** The files of src/ that a file imports, types included. */
function filesImportedBy(path: string): string[] {
  return importsOf(path)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => new URL(specifier, new URL(path, src)).href.slice(src.href.length));
}

/** Each import cycle once, as its files in order. */
function importCycles(): string[] {
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, chain: readonly string[]): void => {
    if (chain.includes(path)) cycles.push([...chain.slice(chain.indexOf(path)), path].join(' -> '));
    else if (!finished.has(path))
      for (const imported of filesImportedBy(path)) visit(imported, [...chain, path]);
    finished.add(path);
  };
  for (const path of files) visit(path, []);
  return cycles;
}

describe('the source', () => {
  it('has no import cycle', () => {
    expect(importCycles()).toEqual([]);
  });

  it.each(files)('%s imports only what its folder may', (path) => {
    expect(forbiddenImports(path)).toEqual([]);
  });

  it.each(files)('%s has at most 250 lines', (path) => {
    expect(read(path).split('\n').length).toBeLessThanOrEqual(251);
  });

  it.each(files.filter((path) => folderOf(path) === 'core'))('%s is pure', (path) => {
    const impure =
      /Date\.now|new Date\(\)|Math\.random|\bprocess\.|setTimeout|setInterval|setImmediate|\bfetch\(|performance\./;
    expect(codeOf(path).match(impure)).toBeNull();
  });

  it('reads the environment only in config/', () => {
    expect(files.filter((path) => /process\.env/.test(codeOf(path)) && folderOf(path) !== 'config')).toEqual(
      [],
    );
  });

  // commands/sql.ts and commands/up/guide.ts contain examples for users.
  it('lets no command import from the assembly of the worker', () => {
    const imports = files
      .filter((path) => path.startsWith('commands/'))
      .flatMap((path) => filesImportedBy(path).map((imported) => `${path} imports ${imported}`));
    expect(imports.filter((line) => line.includes(' worker/assemble/'))).toEqual([]);
  });

  it('contains SQL only in postgres/tables', () => {
    const sql = /['"`]\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|ALTER TABLE)\s/;
    expect(
      files.filter(
        (path) =>
          sql.test(codeOf(path)) &&
          !/^postgres\/tables\/|^postgres\/connection\/advisory-lock\.ts$|^commands\/(sql|up\/guide)\.ts$/.test(
            path,
          ),
      ),
    ).toEqual([]);
  });

  it('imports nothing from delivery/ in commands/, which wire and decide nothing', () => {
    const importers = files.filter(
      (path) =>
        folderOf(path) === 'commands' &&
        filesImportedBy(path).some((imported) => folderOf(imported) === 'delivery'),
    );
    expect(importers).toEqual([]);
  });

  it('has only the folders of stages, adapters and shared code', () => {
    const folders = new Set(files.map(folderOf).filter((folder) => folder !== ''));
    expect([...folders].sort()).toEqual(
      [
        ...STAGES,
        ...ADAPTERS,
        'api',
        'commands',
        'config',
        'core',
        'embedded',
        'relay',
        'runtime',
        'worker',
      ].sort(),
    );
  });
});
