import { nuid } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { isPublishable } from '../../core/subject.ts';
import type { NatsClient } from '../connection/client.ts';
import { headersFrom } from '../messages/headers.ts';
import type { StoreResult } from './store-failure.ts';
import { createMessageStore } from './store-message.ts';

export type PublisherOptions = {
  /** Messages on their way at once. One by one is a third as fast; more than 100 gains nothing. @default 100 */
  readonly maxInFlight?: number;
  /** How long a message is tried while NATS cannot confirm it, in milliseconds. @default 30_000 */
  readonly retryForMs?: number;
};

export interface Publisher {
  /**
   * Stores a message, and resolves when NATS has confirmed it or it is clear that it will not. Never rejects but for a
   * closed client. Without a `Nats-Msg-Id` among the headers it gets one of its own.
   */
  publish(
    subject: string,
    data: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<StoreResult>;
  /** Resolves when one more can go out at once: await it before each of many, so that they do not pile up in memory. */
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
