/** A stream as it should be made: a row of `rule_nats_streams`. */
export type StreamWanted = {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly storage: 'file' | 'memory';
  readonly retention: 'limits' | 'interest' | 'workqueue';
  readonly discard: 'old' | 'new';
  /** 0 or less: no limit. */
  readonly maxMessages: number;
  /** 0 or less: no limit. */
  readonly maxBytes: number;
  /** 0 or less: no limit. */
  readonly maxAgeSeconds: number;
  readonly replicas: number;
  /** In which a `Nats-Msg-Id` is known again. 0: the server's default, two minutes. */
  readonly duplicateWindowSeconds: number;
  readonly description?: string | undefined;
  /** Whether a stream that is there is changed to fit; `following`: one that we made or changed before. @default never */
  readonly change?: 'always' | 'following' | 'never';
};

/** A stream that loses nothing that waits: where no row says otherwise. */
export function defaultWebhookStream(name: string, subjects: readonly string[]): StreamWanted {
  return {
    name,
    subjects,
    storage: 'file',
    retention: 'workqueue',
    discard: 'new',
    maxMessages: -1,
    maxBytes: -1,
    maxAgeSeconds: 0,
    replicas: 1,
    duplicateWindowSeconds: 120,
  };
}

/** The server writes "no limit" as -1. */
export function noLimitAsMinusOne(value: number): number {
  return value > 0 ? value : -1;
}
