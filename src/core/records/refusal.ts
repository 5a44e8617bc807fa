/**
 * What an error of PostgreSQL costs. `nothing`: it concerns the connection or the server, so a later try may succeed, and the whole
 * flush is kept. `wait`: a right on one table is missing, so the rows of this table are kept, and the others can be stored. `row`:
 * some rows cannot be stored, and the others can. `table`: no row can be stored as the table is now.
 */
export type Cost = 'nothing' | 'wait' | 'row' | 'table';

/** Rows that PostgreSQL refused. */
export type RefusedRows = {
  readonly table: string;
  /** How many were dropped. 0: a row that every flush writes again, such as the counters of the worker. */
  readonly rows: number;
  /** PostgreSQL's code and message for the first of them. */
  readonly code: string;
  readonly error: string;
};

/** By code, or by its first two characters: the class. A code wins over its class. A code that is not here costs the row. */
const COSTS: Readonly<Record<string, Cost>> = {
  // Connection, login, transaction, deadlock, full disk or memory, a stop or a timeout, files of the server, a bug of the server.
  '08': 'nothing',
  '25': 'nothing',
  '28': 'nothing',
  '40': 'nothing',
  '53': 'nothing',
  '57': 'nothing',
  '58': 'nothing',
  XX: 'nothing',
  // Damaged data or index: a later try fails, too.
  XX001: 'table',
  XX002: 'table',
  // A lock was not granted in time; another session uses the table.
  '55P03': 'nothing',
  '55006': 'nothing',
  // A table, column or function is missing or has another type.
  '42': 'table',
  '3F': 'table',
  // A missing right is granted sooner or later.
  '42501': 'wait',
  // The table is now a view, or of a kind that takes no rows.
  '0A': 'table',
  '55': 'table',
};

/** Five digits and letters. Not E and four letters: that is a code of the system, such as EPIPE. */
const SQLSTATE = /^(?!E[A-Z]{4}$)[0-9A-Z]{5}$/;

/** @param code The code of the error; undefined if it has none. */
export function costOf(code: string | undefined): Cost {
  if (code === undefined || !SQLSTATE.test(code)) return 'nothing';
  return COSTS[code] ?? COSTS[code.slice(0, 2)] ?? 'row';
}
