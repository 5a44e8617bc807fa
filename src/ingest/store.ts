/** What became of a message that should be stored in the stream. `detail`: a sentence for a person. */
export type StoreOutcome =
  | {
      readonly kind: 'stored';
      readonly stream: string;
      readonly sequence: number;
      /** True if the stream had this webhook already. `sequence` is of that message. */
      readonly duplicate: boolean;
    }
  /** The message is surely not in the stream. */
  | { readonly kind: 'notStored'; readonly why: NotStored; readonly detail: string }
  /** The message may be in the stream. */
  | { readonly kind: 'unconfirmed'; readonly detail: string };

export type NotStored =
  | 'away'
  | 'noStream'
  | 'streamFull'
  | 'busy'
  | 'tooLarge'
  | 'denied'
  | 'invalid'
  | 'refused';

/** Stores messages in the stream of webhooks, and never twice under one `Nats-Msg-Id` within the duplicate window of the stream. */
export interface WebhookStore {
  publish(
    subject: string,
    data: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<StoreOutcome>;
}
