/** What NATS said of one message. */
export type PublishResult =
  | { readonly stored: { readonly stream: string; readonly sequence: number; readonly duplicate: boolean } }
  | { readonly failed: PublishFailure; readonly detail: string };

export type PublishFailure =
  | 'noStream'
  | 'streamFull'
  | 'tooLarge'
  | 'denied'
  | 'invalid'
  | 'refused'
  | 'timeout';

/** What becomes of a row. */
export type RowOutcome =
  /** It is deleted. `duplicate`: NATS had this message already. */
  | {
      readonly kind: 'published';
      readonly subject: string;
      readonly sequence: number;
      readonly duplicate: boolean;
      readonly latencyMs: number;
    }
  /** It is set aside: it can never be sent as it is. */
  | { readonly kind: 'failed'; readonly subject: string | null; readonly error: string }
  /** It stays, and is published later. `scope`: whether only this name has the trouble, or everything. */
  | { readonly kind: 'left'; readonly scope: 'name' | 'all'; readonly trouble: string }
  /** It stays, and nothing is wrong: its turn did not come. */
  | { readonly kind: 'notTried' };

/**
 * Decides about a row that was not stored. Its size, its subject and its headers are the fault of the row. A refusal for another
 * reason may be the state of the stream (sealed, for example), which must not set aside every row: it is the fault of the row only
 * if the stream stored another message at the same time.
 */
export function outcomeOfFailure(
  { failed, detail }: { readonly failed: PublishFailure; readonly detail: string },
  subject: string,
  othersWereStored: boolean,
): Extract<RowOutcome, { kind: 'failed' | 'left' }> {
  switch (failed) {
    case 'tooLarge':
    case 'invalid':
      return { kind: 'failed', subject, error: detail };
    case 'refused':
      return othersWereStored
        ? { kind: 'failed', subject, error: detail }
        : { kind: 'left', scope: 'name', trouble: detail };
    case 'noStream':
    case 'denied':
      return { kind: 'left', scope: 'name', trouble: detail };
    case 'streamFull':
    case 'timeout':
      return { kind: 'left', scope: 'all', trouble: detail };
  }
}
