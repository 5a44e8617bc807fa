/** What JetStream hands us: one hand-out of one stored message, or of the copy that waited in its endpoint's queue. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The stream it was published to, when that was created (milliseconds since 1970), and its place there. */
  readonly stream: string;
  readonly streamCreatedAt: number;
  readonly sequence: number;
  /** What an attempt made now would be, from 1. Hand-outs that were lost with their worker count: they may have been sent. */
  readonly attemptNumber: number;
  /** An attempt may have been made before: as a hand-out that was lost, or before it was parked. */
  readonly isRedelivery: boolean;
  /** It comes out of its endpoint's own queue. */
  readonly isParkedCopy: boolean;
  /** The key of that endpoint; null where it comes from the stream, or waited for its time. */
  readonly parkedEndpointKey: string | null;
  /** The subject of which one message goes at a time, in order; null: in any order. */
  readonly orderingKey: string | null;
  /** When it reached us, in milliseconds on a clock that never goes back. */
  readonly receivedAt: number;
  /** When it was published, in milliseconds since 1970. */
  readonly publishedAt: number;
  /** Until when it has waited in a queue, in milliseconds since 1970; null: until there was room. */
  readonly notBefore: number | null;
  /** A NATS header, in whatever case its name is written; undefined where there is none. */
  header(name: string): string | undefined;
}
