import { nuid } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { isPublishable } from '../../core/subject.ts';
import type { NatsClient } from '../connection/client.ts';
import { headersFrom } from '../messages/headers.ts';
import type { StoreResult } from './store-failure.ts';
import { createMessageStore } from './store-message.ts';

export type PublisherOptions = {
  /** How many messages may wait for their confirmation at once. 1 is a third as fast; more than 100 is no faster. @default 100 */
  readonly maxInFlight?: number;
  /** How long the publisher retries a message that NATS does not confirm, in milliseconds. @default 30_000 */
  readonly retryForMs?: number;
};

export interface Publisher {
  /**
   * Stores a message. Resolves when NATS has confirmed the message, or when it is certain that NATS will not. Rejects only if
   * the client is closed. A message without a `Nats-Msg-Id` header gets a new one.
   */
  publish(
    subject: string,
    data: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<StoreResult>;
  /** Resolves when one more message can be sent at once. Await this before each of many messages, to bound the memory. */
  whenFree(): Promise<void>;
}

export function createPublisher(client: NatsClient, options: PublisherOptions = {}): Publisher {
  const { maxInFlight = 100, retryForMs = 30_000 } = options;
  const store = createMessageStore(client, { retryForMs });
  const waiting: (() => void)[] = [];
  let inFlight = 0;

  async function whenFree(): Promise<void> {
    while (inFlight >= maxInFlight) await new Promise<void>((resolve) => waiting.push(resolve));
  }

  async function publish(
    subject: string,
    data: Uint8Array,
    values: Readonly<Record<string, string>> = {},
  ): Promise<StoreResult> {
    if (!isPublishable(subject))
      return { failed: 'invalid', detail: `"${subject}" is not a subject to publish to` };
    const headers = headersFrom({ [Header.messageId]: `publish-${nuid.next()}`, ...values });
    if (headers === undefined)
      return { failed: 'invalid', detail: `a header of the message to ${subject} is not valid` };
    if (inFlight >= maxInFlight) await whenFree();
    inFlight += 1;
    try {
      return await store({ subject, data, headers });
    } finally {
      inFlight -= 1;
      waiting.shift()?.();
    }
  }

  return { publish, whenFree };
}
