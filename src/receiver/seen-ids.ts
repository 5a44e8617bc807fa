/** The totals of a receiver. */
export type ReceivedTotals = {
  readonly requests: number;
  /** Distinct `webhook-id`s. */
  readonly webhookIds: number;
  /** Requests whose `webhook-id` came before, and was answered with a failure each time: retries, as expected. */
  readonly retries: number;
  /** Requests whose `webhook-id` was already answered with a 2xx: delivered twice. */
  readonly doubled: number;
  /** Requests without a `webhook-id`. */
  readonly withoutId: number;
};

/** Ids kept in memory, about 150 bytes each. An id that comes again after this number of other ids counts as new. */
const IDS_KEPT = 200_000;

/** Counts requests by their `webhook-id`. */
export class SeenIds {
  readonly #ids = new Map<string, { attempts: number; succeeded: boolean }>();
  readonly #totals = { requests: 0, webhookIds: 0, retries: 0, doubled: 0, withoutId: 0 };

  /**
   * Counts a request.
   *
   * @param answer The status of the answer, by the number of the attempt.
   * @returns The number of the attempt, counted per id. A request without an id is always attempt 1.
   */
  add(id: string | undefined, answer: (attempt: number) => number): { attempt: number; status: number } {
    this.#totals.requests++;
    if (id === undefined) {
      this.#totals.withoutId++;
      return { attempt: 1, status: answer(1) };
    }
    const seen = this.#ids.get(id) ?? this.#first(id);
    if (seen.succeeded) this.#totals.doubled++;
    else if (seen.attempts > 0) this.#totals.retries++;
    const attempt = ++seen.attempts;
    const status = answer(attempt);
    if (status < 300) seen.succeeded = true;
    return { attempt, status };
  }

  totals(): ReceivedTotals {
    return { ...this.#totals };
  }

  #first(id: string) {
    const seen = { attempts: 0, succeeded: false };
    this.#totals.webhookIds++;
    this.#ids.set(id, seen);
    if (this.#ids.size > IDS_KEPT) this.#ids.delete(this.#ids.keys().next().value!);
    return seen;
  }
}
