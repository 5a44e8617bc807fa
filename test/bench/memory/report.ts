import { type Column, textTable } from '../../../src/runtime/text-table.ts';
import type { MemoryCourse } from './watch.ts';

/** One row for each process of a case. */
export type MemoryRow = {
  readonly what: string;
  readonly process: string;
  /** Null if the system does not report it. */
  readonly course: MemoryCourse | null;
};

const right = (name: string): Column => ({ name, align: 'right' });

const COLUMNS: readonly Column[] = [
  { name: 'what' },
  { name: 'process' },
  right('at start MB'),
  right('at end MB'),
  right('highest MB'),
  right('late growth MB'),
];

export function memoryTable(rows: readonly MemoryRow[]): string {
  return textTable(
    COLUMNS,
    rows.map(({ what, process, course }) => [what, process, ...cellsOf(course)]),
  );
}

function cellsOf(course: MemoryCourse | null): string[] {
  if (course === null) return ['unknown', 'unknown', 'unknown', 'unknown'];
  return [course.start, course.end, course.highest, course.lateGrowth].map((bytes) =>
    (bytes / 1024 ** 2).toFixed(0),
  );
}
