import { type Column, textTable } from '../../src/runtime/text-table.ts';
import type { Measurement } from './run.ts';

export type Measured = { readonly name: string; readonly rounds: readonly Measurement[] };

const right = (name: string): Column => ({ name, align: 'right' });

const COLUMNS: readonly Column[] = [
  { name: '' },
  right('messages/s'),
  right('worker CPU s'),
  right('to the floor'),
  right('min … max'),
  right('nats-server CPU s'),
];

/** Medians over the rounds, a row each, and the ratio of the worker's CPU time to the first row's. */
export function comparison(measured: readonly Measured[]): string {
  const floor = median(measured[0]?.rounds.map((round) => round.workerCpu) ?? []);
  const rows = measured.map(({ name, rounds }) => {
    const cpu = rounds.map((round) => round.workerCpu);
    const typical = median(cpu);
    const known = cpu.filter((value) => value !== null);
    return [
      name,
      shown(median(rounds.map((round) => round.perSecond)), 0),
      shown(typical, 2),
      typical === null || floor === null ? '' : shown(typical / floor, 2),
      known.length === 0 ? '' : `${Math.min(...known).toFixed(2)} … ${Math.max(...known).toFixed(2)}`,
      shown(median(rounds.map((round) => round.natsCpu)), 2),
    ];
  });
  return textTable(COLUMNS, rows);
}

/** A row a concurrency, and for each delay of the endpoint what it reached. */
export function sweepTable(
  delaysMs: readonly number[],
  rows: readonly { readonly concurrency: number; readonly byDelay: readonly Measurement[] }[],
): string {
  const columns = delaysMs.flatMap((delayMs) => [right(`${delayMs} ms: messages/s`), right('CPU s')]);
  return textTable(
    [right('CONCURRENCY'), ...columns],
    rows.map(({ concurrency, byDelay }) => [
      String(concurrency),
      ...byDelay.flatMap(({ perSecond, workerCpu }) => [shown(perSecond, 0), shown(workerCpu, 2)]),
    ]),
  );
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function shown(value: number | null, digits: number): string {
  return value === null ? 'unknown' : value.toFixed(digits);
}
