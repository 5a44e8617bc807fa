import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { SendResult } from '../../load/ledger.ts';
import type { SendPort } from '../../load/run-load.ts';
import { describeConnectError } from '../../postgres/connection/connect-problem.ts';
import { inTransaction } from '../../postgres/connection/transaction.ts';
import { transactionId, wasCommitted } from '../../postgres/tables/transaction-status.ts';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { limited } from './limited.ts';
import type { LoadMessage } from './message.ts';

/** Connections to PostgreSQL, and transactions under way. */
export const WRITERS = 16;
/** How long PostgreSQL is asked for the end of a transaction whose COMMIT it did not answer, in milliseconds. */
const ASK_FOR_MS = 30_000;
const PAUSE_MS = 500;

/** No function or table of ours, no right to it: every further transaction would fail in the same way. */
const ENDS_RUN = new Set(['42883', '42P01', '42501', '3D000', '28P01', '28000']);
const MISSING = new Set(['42883', '42P01']);

/** Ends a transaction with a ROLLBACK. The code shows that the connection itself is well. */
const ROLLED_BACK = Object.assign(new Error('rolled back as planned'), { code: 'ROLLED_BACK' });

/**
 * Writes to the outbox, each webhook in a transaction of its own. It counts as sent once that is committed, whatever the relay does.
 *
 * @param write Writes the rows of one message.
 * @param url DATABASE_URL, to say which database refuses.
 */
export function outboxWay(
  pool: pg.Pool,
  {
    url,
    write,
  }: {
    readonly url: string;
    readonly write: (client: pg.PoolClient, message: LoadMessage) => Promise<void>;
  },
): SendPort<LoadMessage> {
  const lastOfTurn = new Map<string, Promise<SendResult>>();

  async function send(message: LoadMessage): Promise<SendResult> {
    const { id, rollsBack } = message;
    let transaction: string | null = null;
    try {
      await inTransaction(pool, async (client) => {
        await write(client, message);
        const written = await transactionId(client);
        if (rollsBack) throw ROLLED_BACK;
        transaction = written;
      });
      return { kind: 'accepted', id, duplicate: false };
    } catch (error) {
      if (error === ROLLED_BACK) return { kind: 'rolledBack', id };
      return transaction === null ? refusal(error, url) : endOf(transaction, id, error);
    }
  }

  /** What became of a transaction whose COMMIT failed: the connection may have been lost before it, or after it. */
  async function endOf(transaction: string, id: string, error: unknown): Promise<SendResult> {
    const givesUpAt = performance.now() + ASK_FOR_MS;
    for (;;) {
      try {
        return (await wasCommitted(pool, transaction))
          ? { kind: 'accepted', id, duplicate: false }
          : refusal(error, url);
      } catch {
        // PostgreSQL is away, or still ends the transaction.
      }
      if (performance.now() >= givesUpAt) return { kind: 'unconfirmed', id, reason: errorMessage(error) };
      await pause(PAUSE_MS);
    }
  }

  /** Messages of one turn are written one after the other. */
  async function inTurn(message: LoadMessage): Promise<SendResult> {
    const { turn } = message;
    if (turn === null) return send(message);
    const sending = (lastOfTurn.get(turn) ?? Promise.resolve()).then(() => send(message));
    lastOfTurn.set(turn, sending);
    try {
      return await sending;
    } finally {
      if (lastOfTurn.get(turn) === sending) lastOfTurn.delete(turn);
    }
  }

  return limited(WRITERS, inTurn);
}

function refusal(error: unknown, url: string): SendResult {
  const code = errorCode(error) ?? '';
  const endsRun = ENDS_RUN.has(code);
  return { kind: 'refused', reason: reasonOf(error, code, url), endsRun };
}

function reasonOf(error: unknown, code: string, url: string): string {
  if (error instanceof UserError) return error.message;
  if (MISSING.has(code)) return `${errorMessage(error)}. Run the command migrate: it creates the tables`;
  // Words of our own checks, about this webhook alone.
  if (code === '22023' || code === '22P05') return errorMessage(error);
  return describeConnectError(error, url);
}
