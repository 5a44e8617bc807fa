import type pg from 'pg';
import type { CallResult } from '../core/records/call-result.ts';
import { inTransaction } from './connection/transaction.ts';
import { type CallAnswer, markCalls, writeResults } from './tables/calls-table.ts';
import { type ClaimedCall, claimCalls } from './tables/due-calls.ts';

/** As for rows of the outbox: longer than a batch waits for NATS. */
const TRANSACTION = { idleTimeoutMs: 15_000 };
const STATEMENT_TIMEOUT_MS = 30_000;

export type CallsStoreOptions = {
  readonly pool: pg.Pool;
  /** OUTBOX_HISTORY. */
  readonly history: 'all' | 'failures' | 'off';
};

/** The queue of the extension in one database, for a relay. */
export function createCallsStore({ pool, history }: CallsStoreOptions) {
  return {
    /** Claims calls, lets them be published, marks those with an answer, and commits. Resolves to the number of claimed calls. */
    settleCalls(
      modes: readonly string[],
      most: number,
      publish: (calls: readonly ClaimedCall[]) => Promise<readonly CallAnswer[]>,
    ): Promise<void> {
      return inTransaction(
        pool,
        async (client) => {
          const calls = await claimCalls(client, modes, most);
          if (calls.length > 0) await markCalls(client, await publish(calls), history);
        },
        STATEMENT_TIMEOUT_MS,
        TRANSACTION,
      );
    },
  };
}

/** Where a worker writes the results of calls. */
export function createCallResultsStore(pool: pg.Pool) {
  return {
    async storeResults(results: readonly CallResult[]): Promise<void> {
      for (const ofOne of byInstallation(results))
        await inTransaction(pool, (client) => writeResults(client, ofOne));
    },
  };
}

function byInstallation(results: readonly CallResult[]): readonly (readonly CallResult[])[] {
  const groups = new Map<string, CallResult[]>();
  for (const result of results) {
    const known = groups.get(result.installationId);
    if (known === undefined) groups.set(result.installationId, [result]);
    else known.push(result);
  }
  return [...groups.values()];
}
