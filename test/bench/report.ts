import { type Column, textTable } from '../../src/runtime/text-table.ts';
import type { Measurement } from './run.ts';

/** The rounds of one worker. Round n of all workers ran one after the other. */
export type Measured = { readonly name: string; readonly rounds: readonly Measurement[] };

type Figure = keyof Measurement;

const right = (name: string): Column => ({ name, align: 'right' });

const COLUMNS: readonly Column[] = [
  { name: '' },
  right('messages/s'),
  right('worker CPU s'),
  right('to the floor'),
  right('min … max'),
  right('nats-server CPU s'),
];

/**
 * One row per worker: the medians of the rounds, and the median, minimum and maximum of the paired ratios of its CPU time to
 * the CPU time of the first worker.
 */
export function comparison(measured: readonly Measured[]): string {
  const [floor] = measured;
  const rows = measured.map((worker) => {
    const ratios = pairedRatios(worker, floor!, 'workerCpu');
    return [
      worker.name,
      shown(median(figures(worker, 'perSecond')), 0),
      shown(median(figures(worker, 'workerCpu')), 2),
      shown(median(ratios), 2),
      spread(ratios),
      shown(median(figures(worker, 'natsCpu')), 2),
    ];
  });
  return textTable(COLUMNS, rows);
}

/** One row per pair of workers: the paired ratios of their CPU times and rates, the first worker to the second. */
export function pairTable(pairs: readonly (readonly [Measured, Measured])[]): string {
  const columns = [{ name: '' }, right('CPU'), right('min … max'), right('rate'), right('min … max')];
  const rows = pairs.map(([one, other]) => {
    const cpu = pairedRatios(one, other, 'workerCpu');
    const rate = pairedRatios(one, other, 'perSecond');
    const name = `${one.name} to ${other.name}`;
    return [name, shown(median(cpu), 2), spread(cpu), shown(median(rate), 2), spread(rate)];
  });
  return textTable(columns, rows);
}

/** One row per round and worker, with the measured figures. */
export function rawTable(measured: readonly Measured[]): string {
  const columns = [right('round'), { name: '' }, ...[COLUMNS[1]!, COLUMNS[2]!, COLUMNS[5]!]];
  const count = Math.max(...measured.map(({ rounds }) => rounds.length));
  const rows = Array.from({ length: count }, (_, index) =>
    measured.flatMap(({ name, rounds }) => {
      const round = rounds[index];
      if (round === undefined) return [];
      const { perSecond, workerCpu, natsCpu } = round;
      return [[String(index + 1), name, shown(perSecond, 0), shown(workerCpu, 3), shown(natsCpu, 3)]];
    }),
  );
  return textTable(columns, rows.flat());
}

/** One row per concurrency, with the figures for each delay of the endpoint. */
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

/** The figure of the first worker divided by that of the second, for each round that has both. */
export function pairedRatios(one: Measured, other: Measured, figure: Figure): number[] {
  return one.rounds.flatMap((round, index) => {
    const [dividend, divisor] = [round[figure], other.rounds[index]?.[figure]];
    return dividend === null || !divisor ? [] : [dividend / divisor];
  });
}

/** The median; null if there is no value. */
export function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function figures({ rounds }: Measured, figure: Figure): (number | null)[] {
  return rounds.map((round) => round[figure]);
}

function spread(values: readonly number[]): string {
  return values.length === 0 ? '' : `${Math.min(...values).toFixed(2)} … ${Math.max(...values).toFixed(2)}`;
}

function shown(value: number | null, digits: number): string {
  return value === null ? 'unknown' : value.toFixed(digits);
}
