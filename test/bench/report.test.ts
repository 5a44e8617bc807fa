import { describe, expect, it } from 'vitest';
import { comparison, type Measured, median, pairedRatios, pairTable, rawTable } from './report.ts';
import { leftOut } from './run.ts';

const worker = (name: string, ...cpu: (number | null)[]): Measured => ({
  name,
  rounds: cpu.map((workerCpu, index) => ({ perSecond: 1000 * (index + 1), workerCpu, natsCpu: 0.1 })),
});

/** The cells of the row that begins with this name. */
function rowOf(table: string, name: string): string[] {
  const line = table.split('\n').find((row) => row.trim().startsWith(name));
  return line!.split('|').map((cell) => cell.trim());
}

describe('the figures of the bench', () => {
  it('leave out the first fifth of the messages', () => {
    expect(leftOut(25_000)).toBe(5000);
    expect(leftOut(101)).toBe(20);
  });

  it('have the middle value as their median, or the mean of the two middle values', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([null, 5])).toBe(5);
    expect(median([null])).toBeNull();
  });

  it('are divided by the figures of the same round', () => {
    expect(pairedRatios(worker('ours', 4, 9), worker('floor', 2, 3), 'workerCpu')).toEqual([2, 3]);
  });

  it('are left out of the ratios if a round does not have both', () => {
    expect(pairedRatios(worker('ours', 4, null, 8), worker('floor', null, 3, 2), 'workerCpu')).toEqual([4]);
  });

  it('show the median of the ratios, not the ratio of the medians', () => {
    const table = comparison([worker('floor', 1, 4, 5), worker('ours', 3, 4, 10)]);
    expect(rowOf(table, 'floor')).toEqual(['floor', '2000', '4.00', '1.00', '1.00 … 1.00', '0.10']);
    expect(rowOf(table, 'ours')).toEqual(['ours', '2000', '4.00', '2.00', '1.00 … 3.00', '0.10']);
  });

  it('compare two builds round by round', () => {
    const table = pairTable([[worker('new', 1, 2), worker('old', 2, 2)]]);
    expect(rowOf(table, 'new')).toEqual(['new to old', '0.75', '0.50 … 1.00', '1.00', '1.00 … 1.00']);
  });

  it('can be shown round by round', () => {
    const lines = rawTable([worker('floor', 1), worker('ours', 2)]).split('\n');
    expect(lines.filter((line) => line.trim().startsWith('1'))).toHaveLength(2);
  });
});
