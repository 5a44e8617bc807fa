import { printable } from './printable.ts';

export type Column = {
  readonly name: string;
  /** @default 'left' */
  readonly align?: 'left' | 'right';
};

/**
 * Rows below their column names, aligned like the output of psql. Ends with a line break.
 *
 * @param rows One cell per column; null is shown as an empty cell.
 */
export function textTable(columns: readonly Column[], rows: readonly (readonly (string | null)[])[]): string {
  const cells = rows.map((row) => columns.map((_, index) => printable(row[index] ?? '')));
  const names = columns.map(({ name }) => printable(name));
  const widths = names.map((name, index) =>
    cells.reduce((widest, row) => Math.max(widest, lengthOf(row[index]!)), lengthOf(name)),
  );
  const lines = [
    names.map((name, index) => centred(name, widths[index]!)),
    widths.map((width) => '-'.repeat(width)),
    ...cells.map((row) => row.map((cell, index) => padded(cell, widths[index]!, columns[index]!.align))),
  ];
  return lines
    .map((line, index) => (index === 1 ? `-${line.join('-+-')}-` : ` ${line.join(' | ')}`.trimEnd()))
    .join('\n')
    .concat('\n');
}

/** In characters, not UTF-16 units. */
function lengthOf(text: string): number {
  return [...text].length;
}

function padded(text: string, width: number, align: Column['align'] = 'left'): string {
  const space = ' '.repeat(width - lengthOf(text));
  return align === 'right' ? space + text : text + space;
}

function centred(text: string, width: number): string {
  const space = width - lengthOf(text);
  return ' '.repeat(Math.floor(space / 2)) + text + ' '.repeat(Math.ceil(space / 2));
}
