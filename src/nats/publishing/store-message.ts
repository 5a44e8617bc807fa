import { setTimeout as wait } from 'node:timers/promises';
import type { NatsClient } from '../connection/client.ts';
import {
  classifyNoReply,
  classifyReply,
  type MessageToStore,
  type PubAck,
  type StoreResult,
  unconfirmed,
} from './store-failure.ts';

/** How long one try waits for its confirmation: shorter than an election, so that the next try comes soon after one. */
const TRY_MS = 2000;
const PAUSE_MS = { first: 50, most: 1000 };

/**
 * Stores a message in whichever stream carries its subject, and waits for the confirmation. Elections, restarts and
 * broken links are waited out, for at most `retryForMs`. Always with a `Nats-Msg-Id`: it makes the tries one message.
 *
 * @throws only where the client is closed, or has a bug.
 */
export async function storeMessage(
  client: NatsClient,
  message: MessageToStore,
  retryForMs: number,
): Promise<StoreResult> {
  const givesUpAt = performance.now() + retryForMs;
  for (let pauseMs = PAUSE_MS.first; ; pauseMs = Math.min(PAUSE_MS.most, 2 * pauseMs)) {
    const result = await tryOnce(
      client,
      message,
      Math.max(1, Math.min(TRY_MS, givesUpAt - performance.now())),
    );
    if (result !== 'again') return result;
    if (performance.now() + pauseMs >= givesUpAt) {
      return unconfirmed(message.subject, retryForMs);
    }
    await wait(pauseMs);
  }
}

async function tryOnce(
  client: NatsClient,
  message: MessageToStore,
  timeoutMs: number,
): Promise<StoreResult | 'again'> {
  const { subject, data, headers } = message;
  try {
    const reply = await client.connection.request(subject, data, { headers, timeout: timeoutMs });
    const ack = reply.json<PubAck>();
    if (ack.error !== undefined) return classifyReply(subject, ack.error);
    return { stored: { stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate ?? false } };
  } catch (error) {
    return classifyNoReply(client, message, error);
  }
}
