/** One message of a run. */
export type LoadMessage = {
  /** `Nats-Msg-Id`, or `Idempotency-Key`. */
  readonly id: string;
  /** JSON. */
  readonly body: Buffer;
};
