import { every } from '../../runtime/every.ts';
import { clientConfig, PgClient } from './client.ts';

export type HeldConnectionOptions = {
  /** The same URL as for the pool. Env DATABASE_URL. */
  readonly url: string;
  /** Names of channels to listen to, in lower case. */
  readonly channels: readonly string[];
  /**
   * The interval between two checks of the connection, in milliseconds. Without them, a server that vanished without closing the
   * connection would not be noticed for a long time, because nothing is sent. @default 15_000
   */
  readonly checkEveryMs?: number;
  /** Without an answer within this time, the connection counts as lost. In milliseconds. @default 10_000 */
  readonly answerWithinMs?: number;
};

export type ListenEvents = {
  /** Called once, when the connection listens. */
  onListening(client: PgClient): void;
  onNotified(channel: string, payload: string): void;
  /** Called once, when the connection is lost, for whatever reason. */
  onLost(error: unknown): void;
};

/**
 * Holds one connection that listens until it is lost. The connection does not keep the process alive.
 *
 * @returns A function that ends the connection without a call of `onLost`.
 */
export function holdConnection(
  { url, channels, checkEveryMs = 15_000, answerWithinMs = 10_000 }: HeldConnectionOptions,
  events: ListenEvents,
): () => void {
  const statement = channels.map((channel) => `LISTEN ${channel}`).join('; ');
  const client = new PgClient(clientConfig(url));
  let stopChecking = () => {};
  let isOver = false;

  function end(): void {
    isOver = true;
    stopChecking();
    client.destroy();
  }
  function lose(error: unknown): void {
    if (isOver) return;
    end();
    events.onLost(error);
  }
  async function listen(): Promise<void> {
    const silent = setTimeout(() => lose(new Error('the server does not answer')), answerWithinMs).unref();
    await client.query(statement).finally(() => clearTimeout(silent));
  }
  async function open(): Promise<void> {
    const connected = client.connect();
    client.unref();
    await connected;
    client.unref();
    await listen();
    if (isOver) return;
    // Again and again: it changes nothing, and shows whether the server is still there.
    stopChecking = every(checkEveryMs, () => listen().catch(lose), { unref: true });
    events.onListening(client);
  }

  client.on('notification', ({ channel, payload }) => events.onNotified(channel, payload ?? ''));
  client.on('error', lose);
  client.on('end', () => lose(new Error('the connection was closed')));
  open().catch(lose);
  return end;
}
