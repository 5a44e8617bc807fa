/** One delivery by NATS of one stored message, or of the copy of it that waited in a queue. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The stream that it was published to, when that stream was created (milliseconds since 1970), and its sequence there. */
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
  /** The number of an attempt that is made now, from 1. Deliveries that were lost with their worker count: they may have been sent. */
  readonly attemptNumber: number;
  /** How often NATS has delivered it from where it is stored now, this time included. */
  readonly deliveryCount: number;
  /** An attempt may have been made before: by a worker that was lost, or before the message was parked. */
  readonly isRedelivery: boolean;
  /** It comes from the parked stream. */
  readonly isParkedCopy: boolean;
  /** It is a parked copy that NATS delivered before, to be sent, and no worker settled it. */
  readonly isRedeliveredCopy: boolean;
  /** It comes before its time: it is only to be nak'd until `notBefore`, and never sent. */
  readonly isFirstDeliveryOfDelayed: boolean;
  /** The key of the endpoint in whose queue it waited; null: it comes from its stream, or from a scheduled queue. */
  readonly parkedEndpointKey: string | null;
  /** Messages with the same key are delivered one at a time, in stream order; null: in any order. */
  readonly orderingKey: string | null;
  /** When it reached this worker, in milliseconds on a clock that never goes back. */
  readonly receivedAt: number;
  /** When it was published, in milliseconds since 1970. */
  readonly publishedAt: number;
  /** Before when a parked copy is not to be sent, in milliseconds since 1970; null: at once. */
  readonly notBefore: number | null;
  /** Messages that NATS has still to deliver from the same queue. */
  readonly pending: number;
  /** Bytes of its headers and data. */
  readonly size: number;
  /** A NATS header, in whatever case its name is written; undefined if there is none. */
  header(name: string): string | undefined;
  /** Copies its bytes out of the buffer that came over the wire: called before the message is held for long. */
  detach(): void;
}
