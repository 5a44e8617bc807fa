import { type Column, textTable } from '../../src/runtime/text-table.ts';
import type { ChaosMeasurement } from './run.ts';

const right = (name: string): Column => ({ name, align: 'right' });

const COLUMNS: readonly Column[] = [
  { name: 'fault' },
  right('accepted'),
  right('delivered'),
  right('dead letters'),
  right('lost'),
  right('doubled'),
  right('recovery s'),
];

export function chaosTable(measured: readonly ChaosMeasurement[]): string {
  return textTable(
    COLUMNS,
    measured.map(({ name, accepted, delivered, deadLettered, lost, doubled, recoveryMs }) => [
      name,
      ...[accepted, delivered, deadLettered, lost, doubled].map(String),
      (recoveryMs / 1000).toFixed(1),
    ]),
  );
}
