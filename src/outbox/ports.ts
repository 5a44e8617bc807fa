import type { ComposedWebhook } from '../core/message/compose.ts';
import type { OutboxRow } from '../core/outbox/outbox-row.ts';
import type { PublishResult, RowOutcome } from '../core/outbox/publish-outcome.ts';

export type Message = Exclude<ComposedWebhook, { readonly invalid: unknown }>;

/** NATS, as an adapter of `src/nats/` offers it. */
export interface MessagePublisher {
  /** False while the connection is broken. */
  isConnected(): boolean;
  /** Resolves when NATS has stored the message, when it is clear that it did not, or when that is not known after a few seconds. */
  publish(message: Message): Promise<PublishResult>;
}

/** Publishes the rows of a batch. Returns one outcome per row, in the order of the rows. */
export type PublishRows = (rows: readonly OutboxRow[]) => Promise<readonly RowOutcome[]>;

export type Claim = {
  /** The most rows. */
  readonly most: number;
  readonly leaveOut: LeftOut;
};

/** Rows that are not claimed now. */
export type LeftOut = {
  /** Data that an older worker would take for an envelope. */
  readonly envelopeLike: boolean;
  /** Rows with headers and without a URL. */
  readonly headersOfData: boolean;
  /** Rows of these names: NATS did not take the last one. */
  readonly names: readonly string[];
};

/** A claimed row, with what became of it. */
export type SettledRow = { readonly row: OutboxRow; readonly outcome: RowOutcome };

/**
 * The table of the outbox. Each function claims rows in one transaction, lets them be published, deletes or marks them by their
 * outcome, and commits. While it runs, no other relay publishes these rows. Resolves to the claimed rows once that is committed.
 *
 * @throws Errors of PostgreSQL: then every row is as before, although NATS may have stored some of the messages.
 */
export interface OutboxStore {
  /** Rows without an ordering key, with an id greater than `afterId`, by id. */
  settleUnordered(
    claim: Claim & { readonly afterId: number },
    publish: PublishRows,
  ): Promise<readonly SettledRow[]>;
  /**
   * Rows with an ordering key, by id: the first ones of each bucket that no other relay holds, and in which a row waits with an id
   * greater than that of the bucket in `afterIds`.
   */
  settleOrdered(
    claim: Claim & { readonly afterIds: readonly number[] },
    publish: PublishRows,
  ): Promise<readonly (SettledRow & { readonly bucket: number })[]>;
}

/** Tells of commits of writers while the relay sleeps. */
export interface Alarm {
  /** False: PostgreSQL cannot wake this process now. */
  readonly canRing: boolean;
  /** True: each commit from now on rings. False: a writer is under way whose commit would not ring. Never throws. */
  arm(): Promise<boolean>;
  /** Commits need not ring any more, and are cheaper. */
  disarm(): void;
  /** Called at each ring, and when the alarm is lost, so that it is not armed any more. */
  onRing(listener: (isLost: boolean) => void): void;
}

/** A look at the table of a queue, as the loop counts it. */
export interface Look {
  /** True: at all rows. False: only at those that may be new. */
  readonly isFull: boolean;
  /** Called once, before the rows are published. @param rows How many were claimed; 0 if none waits. */
  onClaimed(rows: number): void;
}

export type BatchRequest = {
  /** The most rows. */
  readonly most: number;
  /** Called when the look begins: this may be earlier than the request for its batch. */
  begin(): Look;
  /** True if the next batch may begin before it is asked for. */
  mayGoAhead(): boolean;
};

export type Batch = {
  readonly isFull: boolean;
  /** True: some rows wait for a reason, and were left out. */
  readonly leavesOut: boolean;
  /** One outcome per claimed row. Empty: nothing waits that can be published now. */
  readonly outcomes: readonly RowOutcome[];
};

/** A part of the outbox that a loop works off. */
export interface WorkQueue {
  readonly name: string;
  /** The most rows of a batch. */
  readonly mostRows: number;
  /** True: a batch has begun that nobody asked for yet. @default false */
  readonly isAhead?: boolean;
  /**
   * Claims and publishes rows.
   *
   * @throws Errors of PostgreSQL.
   */
  settleBatch(request: BatchRequest): Promise<Batch>;
}
