import type { JetStreamManager, NatsConnection } from 'nats';
import type { DeniedPermission } from './permissions.ts';

/** Flat fields of an event. `hint`: what the event means for the operator, in a sentence with the cure. */
export type EventFields = { readonly hint?: string; readonly [field: string]: unknown };
type WithHint = EventFields & { readonly hint: string };

/** Where this folder logs its events, named `noun.verb`. A pino logger fits. */
export interface NatsLog {
  info(fields: EventFields, event: string): void;
  warn(fields: WithHint, event: string): void;
  error(fields: WithHint, event: string): void;
}

/** Is called when something happens to the connection. */
export interface ConnectionListener {
  /** The client has reconnected. The server may have dropped the requests that came over the old connection. */
  onReconnect?(): void;
  /** The server denied a permission. */
  onDenied?(right: DeniedPermission): void;
}

/** A connection to NATS with JetStream, as `connectToNats` makes it. */
export interface NatsClient {
  readonly connection: NatsConnection;
  /** `$JS.API`, or `$JS.<domain>.API`: every JetStream request starts with it. */
  readonly apiPrefix: string;
  /** Manages streams and consumers. Sends no request by itself. */
  readonly manager: JetStreamManager;
  readonly log: NatsLog;
  /** Ends every wait and every retry of this client. */
  readonly signal: AbortSignal;
  /** False between a disconnect and the reconnect that follows. */
  isConnected(): boolean;
  /**
   * Adds a listener for later events. The listener can be removed, unlike an iterator of `connection.status()`, which the
   * client keeps for ever. @returns a function that removes the listener.
   */
  listen(listener: ConnectionListener): () => void;
  /** The permission that deliveries need and that NATS denied recently: a sentence with the cure. Null: none. */
  denied(): string | null;
  /** Resolves when the connection is closed for good: with the reason, or with undefined after `close`. */
  readonly closed: Promise<Error | undefined>;
  /** Sends the buffered data, for at most one second, then closes the connection. Safe to call twice. */
  close(): Promise<void>;
}
