/** The wanted configuration of a stream, as in a row of `rule_nats_streams`. */
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
  /** How long the server recognises a repeated `Nats-Msg-Id`. 0: the default of the server, two minutes. */
  readonly duplicateWindowSeconds: number;
  readonly description?: string | undefined;
  /** Changes an existing stream to this configuration. `following`: only if a worker created or changed it. @default never */
  readonly change?: 'always' | 'following' | 'never';
};

/** The configuration of a stream without a row: one that loses no waiting message. */
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
