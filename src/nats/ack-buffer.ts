import { Events } from 'nats';
import type { NatsClient } from './client.ts';

/** What is said about one hand-out, on its way to the server. */
type Word = { readonly reply: string; readonly payload: Uint8Array };

/** How long a word may wait for company, in milliseconds. One socket write for many quarters the server's CPU per ack. */
const COALESCE_MS = 5;

export interface AckBuffer {
  /** Says a word, soon: acks, naks and progress. Never throws, and never loses it to a reconnect. */
  say(reply: string, payload: Uint8Array): void;
  /** Resolves when the server has confirmed everything said so far, or `timeoutMs` went by: then false. */
  drain(timeoutMs: number): Promise<boolean>;
}

/**
 * Acks go out together, by a 5 ms timer, and count as said once a PONG came back after them. Those without a PONG
 * when the connection breaks are said again on the next one: said twice, an ack changes nothing.
 */
export function createAckBuffer(client: NatsClient): AckBuffer {
  const nc = client.connection;
  let waiting: Word[] = [];
  let unconfirmed = 0;
  let connected = client.isConnected();
  let scheduled = false;
  let whenEmpty: (() => void)[] = [];

  function schedule(): void {
    if (!connected || scheduled) return;
    scheduled = true;
    setTimeout(write, COALESCE_MS);
  }

  function write(): void {
    scheduled = false;
    if (!connected || waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    unconfirmed += batch.length;
    for (const { reply, payload } of batch) nc.publish(reply, payload);
    nc.flush().then(
      () => {
        unconfirmed -= batch.length;
        wakeIfEmpty();
      },
      () => {
        unconfirmed -= batch.length;
        waiting = batch.concat(waiting);
        schedule();
      },
    );
  }

  function wakeIfEmpty(): void {
    if (waiting.length > 0 || unconfirmed > 0) return;
    for (const wake of whenEmpty) wake();
    whenEmpty = [];
  }

  async function followConnection(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) connected = false;
      if (status.type === Events.Reconnect) {
        connected = true;
        schedule();
      }
    }
  }
  void followConnection();

  return {
    say(reply, payload) {
      waiting.push({ reply, payload });
      schedule();
    },
    drain(timeoutMs) {
      write();
      if (waiting.length === 0 && unconfirmed === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const giveUp = setTimeout(() => resolve(false), timeoutMs);
        whenEmpty.push(() => {
          clearTimeout(giveUp);
          resolve(true);
        });
      });
    },
  };
}
