import { Histogram, type Latencies } from './histogram.ts';

/** What became of one message that was handed over. */
export type SendResult =
  /** Stored. `id`: the `webhook-id` that the receiver gets. `duplicate`: a message with this id was stored before. */
  | { readonly kind: 'accepted'; readonly id: string; readonly duplicate: boolean }
  /** Of the outbox: the transaction was rolled back, as planned. The message must never arrive. */
  | { readonly kind: 'rolledBack'; readonly id: string }
  /** Surely not stored. */
  | { readonly kind: 'refused'; readonly reason: string; readonly endsRun: boolean }
  /** Nobody said whether the message is stored, although it was repeated under its id. */
  | { readonly kind: 'unconfirmed'; readonly id: string; readonly reason: string };

export type Totals = {
  /** Messages handed over, with or without success. */
  readonly sent: number;
  /** Of `sent`: confirmed as stored. */
  readonly accepted: number;
  /** Of `accepted`: their id was stored before. */
  readonly duplicates: number;
  /** Of `sent`: rolled back as planned. */
  readonly rolledBack: number;
  /** Messages that arrived although their transaction was rolled back. They are `unexpected`, too. */
  readonly neverCommitted: number;
  /** Of `sent`: surely not stored. */
  readonly refused: number;
  /** Of `sent`: may be stored, and have not arrived. */
  readonly unconfirmed: number;
  /** Distinct messages that arrived and were answered with a 2xx. */
  readonly delivered: number;
  /** Of `accepted`: not arrived yet. */
  readonly waiting: number;
  /** Requests for a message that was answered with a 2xx before. */
  readonly doubled: number;
  /** Requests that the receiver answered with a failure, as it was told to. */
  readonly failedOnPurpose: number;
  /** Messages that arrived although they were refused, or that nobody sent. */
  readonly unexpected: number;
  /** Messages that arrived after a later one of their ordering key. */
  readonly outOfOrder: number;
};

/** `number`: higher for a later message of the same ordering key. */
export type Place = { readonly key: string; readonly number: number };

type Sent = { readonly dueAt: number };

/**
 * Keeps the books of a run: each id that was sent, and each id that arrived. A message may arrive before its confirmation. Keeps
 * about 200 bytes per message until the end.
 */
export class Ledger {
  /** Accepted and not arrived, with the time from which latency counts. */
  readonly #waiting = new Map<string, Sent>();
  readonly #unconfirmed = new Map<string, Sent>();
  /** When a message was first answered with a 2xx. Undefined: counted already. */
  readonly #arrived = new Map<string, number | undefined>();
  readonly #reasons = new Map<string, number>();
  readonly #latencies = new Histogram();
  readonly #rolledBack = new Set<string>();
  readonly #lastOfKey = new Map<string, number>();
  readonly #counts = {
    sent: 0,
    accepted: 0,
    duplicates: 0,
    neverCommitted: 0,
    refused: 0,
    delivered: 0,
    doubled: 0,
    failedOnPurpose: 0,
    outOfOrder: 0,
  };
  #lastArrivalAt: number | null = null;

  /**
   * Books the result of a send.
   *
   * @param dueAt When the message should have been sent, in milliseconds of the run's clock: latency counts from there.
   */
  sent(dueAt: number, result: SendResult): void {
    this.#counts.sent++;
    if (result.kind === 'rolledBack') {
      this.#rolledBack.add(result.id);
      if (this.#arrived.has(result.id)) this.#counts.neverCommitted++;
      return;
    }
    if (result.kind === 'refused') {
      this.#counts.refused++;
      this.#reasons.set(result.reason, (this.#reasons.get(result.reason) ?? 0) + 1);
      return;
    }
    if (result.kind === 'accepted') {
      this.#counts.accepted++;
      if (result.duplicate) this.#counts.duplicates++;
    }
    const arrivedAt = this.#arrived.get(result.id);
    if (arrivedAt !== undefined) this.#deliver(result.id, dueAt, arrivedAt);
    else if (!this.#arrived.has(result.id))
      (result.kind === 'accepted' ? this.#waiting : this.#unconfirmed).set(result.id, { dueAt });
  }

  /**
   * Books a request.
   *
   * @param at In milliseconds of the run's clock.
   * @param status The status of the answer.
   * @param place Of an ordered message: the place among the messages of its key.
   */
  arrived(id: string, at: number, status: number, place?: Place): void {
    this.#lastArrivalAt = at;
    if (status >= 300) {
      this.#counts.failedOnPurpose++;
      return;
    }
    if (this.#arrived.has(id)) {
      this.#counts.doubled++;
      return;
    }
    if (place !== undefined) this.#checkOrder(place);
    const sent = this.#waiting.get(id) ?? this.#unconfirmed.get(id);
    if (this.#rolledBack.has(id)) this.#counts.neverCommitted++;
    if (sent === undefined) this.#arrived.set(id, at);
    else this.#deliver(id, sent.dueAt, at);
  }

  #checkOrder({ key, number }: Place): void {
    if (number < (this.#lastOfKey.get(key) ?? 0)) this.#counts.outOfOrder++;
    else this.#lastOfKey.set(key, number);
  }

  #deliver(id: string, dueAt: number, arrivedAt: number): void {
    this.#waiting.delete(id);
    this.#unconfirmed.delete(id);
    this.#arrived.set(id, undefined);
    this.#counts.delivered++;
    this.#latencies.add(arrivedAt - dueAt);
  }

  totals(): Totals {
    const unexpected = this.#arrived.size - this.#counts.delivered;
    return {
      ...this.#counts,
      rolledBack: this.#rolledBack.size,
      unconfirmed: this.#unconfirmed.size,
      waiting: this.#waiting.size,
      unexpected,
    };
  }

  /** When the last request came, in milliseconds of the run's clock. Null: none came. */
  lastArrivalAt(): number | null {
    return this.#lastArrivalAt;
  }

  /** Null if nothing was delivered. */
  latencies(): Latencies | null {
    return this.#latencies.summary();
  }

  /** Why messages were refused, and how many each, the most frequent reason first. */
  refusals(): readonly (readonly [reason: string, count: number])[] {
    return [...this.#reasons].sort(([, one], [, other]) => other - one);
  }

  /** Ids that were confirmed and have not arrived, in the order in which they were confirmed. */
  missing(): readonly string[] {
    return [...this.#waiting.keys()];
  }

  /** Ids that nobody confirmed and that have not arrived. */
  unconfirmed(): readonly string[] {
    return [...this.#unconfirmed.keys()];
  }
}
