import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);

/** The pages of the manual, as paths from the root of the repository. */
export const PAGES: readonly string[] = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
];

export function readPage(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

/** The code blocks of one page, in order, without their fences. */
export function blocksOf(path: string, language = '\\w*'): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms');
  return [...readPage(path).matchAll(fenced)].map(([, block]) => block!);
}

/** The only code block in the manual that begins with this line. */
export function manualBlock(firstLine: string): string {
  const found = PAGES.flatMap((page) => blocksOf(page)).filter((block) => block.startsWith(firstLine));
  if (found.length !== 1) throw new Error(`${found.length} blocks of the manual begin with ${firstLine}`);
  return found[0]!;
}

/** The commands `load` of the manual. */
export function loadCommands(): string[] {
  return PAGES.flatMap((page) =>
    blocksOf(page, 'sh').flatMap(
      (block) => block.match(/^node dist\/main\.js load (?:--|sample ).*$/gm) ?? [],
    ),
  );
}

/** Those that write to the outbox. */
export const NEEDS_RELAY = /--via outbox|sample invoices/;
