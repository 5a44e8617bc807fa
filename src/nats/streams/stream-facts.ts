import type { NatsClient } from '../connection/client.ts';

/** What a publisher must know of the stream that it publishes to. */
export type StreamFacts = {
  /** The largest message with its headers, in bytes; null: only NATS limits it. */
  readonly maxMessageBytes: number | null;
  /** How long the stream knows a `Nats-Msg-Id`, in milliseconds. */
  readonly duplicateWindowMs: number;
  /** True: messages do not survive a restart of nats-server. */
  readonly isInMemory: boolean;
};

const NANOS_PER_MS = 1_000_000;

/** @throws what NATS answers if there is no such stream, or no right to see it. */
export async function readStreamFacts(client: NatsClient, stream: string): Promise<StreamFacts> {
  const { config } = await client.manager.streams.info(stream);
  return {
    maxMessageBytes: (config.max_msg_size ?? -1) > 0 ? config.max_msg_size : null,
    duplicateWindowMs: (config.duplicate_window ?? 0) / NANOS_PER_MS,
    isInMemory: String(config.storage) === 'memory',
  };
}
