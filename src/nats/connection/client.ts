import type { JetStreamManager, NatsConnection } from 'nats';
import type { DeniedPermission } from './permissions.ts';

/** Flat fields of an event. `hint`: what it means for a person, in a sentence with the cure. */
export type EventFields = { readonly hint?: string; readonly [field: string]: unknown };
type WithHint = EventFields & { readonly hint: string };

/** What this folder tells: events, `noun.verb`. A pino logger fits. */
export interface NatsLog {
  info(fields: EventFields, event: string): void;
  warn(fields: WithHint, event: string): void;
  error(fields: WithHint, event: string): void;
}

/** Who wants to hear what happens to the connection. */
export interface ConnectionListener {
  /** A new connection is up: the server may have forgotten what it was asked on the old one. */
  onReconnect?(): void;
  /** The server turned something down. */
  onDenied?(right: DeniedPermission): void;
}

/** A connection to NATS with JetStream, as `connectToNats` makes it. */
export interface NatsClient {
  readonly connection: NatsConnection;
  /** `$JS.API`, or `$JS.<domain>.API`: every JetStream request starts with it. */
  readonly apiPrefix: string;
  /** Streams and consumers; makes no request of its own accord. */
  readonly manager: JetStreamManager;
  readonly log: NatsLog;
  /** Ends everything that waits or tries again here. */
  readonly signal: AbortSignal;
  /** False between a disconnect and the reconnect that follows. */
  isConnected(): boolean;
  /**
   * Tells what happens from now on. Unlike `connection.status()`, whose followers stay with the client for ever, it may
   * come and go. @returns what ends it.
   */
  listen(listener: ConnectionListener): () => void;
  /** Which right that deliveries need was denied to us lately: a sentence with the cure. Null: none. */
  denied(): string | null;
  /** Resolves when the connection is over for good: with the reason, or with undefined after `close`. */
  readonly closed: Promise<Error | undefined>;
  /** Sends what is buffered, for at most a second, then closes. Safe to call twice. */
  close(): Promise<void>;
}
