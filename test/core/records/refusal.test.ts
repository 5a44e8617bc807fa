import { describe, expect, it } from 'vitest';
import { type Cost, costOf } from '../../../src/core/records/refusal.ts';

describe('an error of PostgreSQL', () => {
  it.each<[string, Cost, string | undefined]>([
    ['a character that the encoding of the database lacks', 'row', '22P05'],
    ['a byte sequence that the encoding does not allow', 'row', '22021'],
    ['a number out of range', 'row', '22003'],
    ['a NUL in jsonb', 'row', '22P05'],
    ['JSON that cannot be read', 'row', '22P02'],
    ['a missing partition, or a CHECK', 'row', '23514'],
    ['a NOT NULL', 'row', '23502'],
    ['a unique key', 'row', '23505'],
    ['a trigger that raises', 'row', 'P0001'],
    ['a trigger that raises a code of its own', 'row', 'MY001'],
    ['an index entry that is too long', 'row', '54000'],
    ['JSON that is nested too deep', 'row', '54001'],
    ['a column that is gone', 'table', '42703'],
    ['a column of another type', 'table', '42804'],
    ['a table that is gone', 'table', '42P01'],
    ['a view in place of the table', 'table', '55000'],
    ['a damaged index', 'table', 'XX002'],
    ['a lost connection', 'nothing', '08006'],
    ['a database that is read-only', 'nothing', '25006'],
    ['a transaction that was idle for too long', 'nothing', '25P03'],
    ['a refused login', 'nothing', '28P01'],
    ['a failure of serialization', 'nothing', '40001'],
    ['a deadlock', 'nothing', '40P01'],
    ['a missing right', 'wait', '42501'],
    ['a full disk', 'nothing', '53100'],
    ['too many connections', 'nothing', '53300'],
    ['a lock that was not granted', 'nothing', '55P03'],
    ['a statement that took too long', 'nothing', '57014'],
    ['a server that stops', 'nothing', '57P01'],
    ['a file that the server cannot read', 'nothing', '58030'],
    ['an internal error of the server', 'nothing', 'XX000'],
    ['a broken socket', 'nothing', 'EPIPE'],
    ['a refused connection', 'nothing', 'ECONNREFUSED'],
    ['no code', 'nothing', undefined],
  ])('about %s costs %s (%s)', (_what, cost, code) => {
    expect(costOf(code)).toBe(cost);
  });
});
