import { type Column, textTable } from '../../src/runtime/text-table.ts';
import type { CaseRow } from './run-case.ts';
import { slowdownOf } from './verdict.ts';

const right = (name: string): Column => ({ name, align: 'right' });

const COLUMNS: readonly Column[] = [
  { name: 'fault' },
  right('accepted'),
  right('delivered'),
  right('dead letters'),
  right('undeserved'),
  right('lost'),
  right('doubled'),
  right('recovery s'),
  right('p99 alone ms'),
  right('p99 beside ms'),
  right('ratio'),
];

export function chaosTable(rows: readonly CaseRow[]): string {
  return textTable(
    COLUMNS,
    rows.map(({ name, recoveryMs, ...verdict }) => {
      const { accepted, delivered, deadLetters, undeserved, lost, doubled, p99Ms } = verdict;
      return [
        name,
        ...[accepted, delivered, deadLetters, undeserved, lost, doubled].map(String),
        (recoveryMs / 1000).toFixed(1),
        ...[p99Ms.control, p99Ms.beside].map((ms) => ms?.toFixed(0) ?? null),
        slowdownOf(verdict)?.toFixed(2) ?? null,
      ];
    }),
  );
}
