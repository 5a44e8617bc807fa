/** One delivery by NATS of a stored message, or of a parked or scheduled copy of the message. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The stream of publishing, when that stream was created (milliseconds since 1970), and the sequence there. */
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
  /**
   * Number of an attempt that is made now, from 1. A delivery by NATS whose worker died counts, because it may have been sent.
   */
  readonly attemptNumber: number;
  /** How often NATS has delivered the message from the stream where it is stored now, including this time. */
  readonly deliveryCount: number;
  /** True if an attempt may have been made before: by a worker that died, or before the message was parked. */
  readonly isRedelivery: boolean;
  /** True if the message comes from the parked stream. */
  readonly isParkedCopy: boolean;
  /** True for a parked copy that NATS delivered before, for an attempt, and that no worker settled. */
  readonly isRedeliveredCopy: boolean;
  /** True if the message comes before its time. Then it must be nak'd, and not sent. */
  readonly isFirstDeliveryOfDelayed: boolean;
  /** Key of the endpoint whose parked queue held the message; null: it comes from its stream, or from a scheduled queue. */
  readonly parkedEndpointKey: string | null;
  /** `webhook_id` of the row of `rule_webhooks` that a copy is for; null: none, or the copy does not tell. */
  readonly webhookId: number | null;
  /** Messages with the same key are delivered one at a time, in stream order; null: in any order. */
  readonly orderingKey: string | null;
  /** When the message reached this worker, in milliseconds on a clock that never goes back. */
  readonly receivedAt: number;
  /** When the message was published, in milliseconds since 1970. */
  readonly publishedAt: number;
  /** When the message, or its copy, was stored where it is now: in milliseconds since 1970, by the clock of NATS. */
  readonly storedAt: number;
  /** The earliest time to send a parked copy, in milliseconds since 1970; null: at once. */
  readonly notBefore: number | null;
  /** The number of this delivery among all deliveries of the same queue, from 1. */
  readonly deliverySequence: number;
  /** Messages that NATS has still to deliver from the same queue. */
  readonly pending: number;
  /** Bytes of headers and data. */
  readonly size: number;
  /** Returns a NATS header, whatever the case of its name; undefined if there is none. */
  header(name: string): string | undefined;
  /** Copies the bytes out of the network buffer. Called before the message is held for long, so that the buffer can be freed. */
  detach(): void;
}
