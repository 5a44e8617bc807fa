import type { NatsClient } from '../connection/client.ts';
import { headerBlock } from './header-block.ts';
import { encodedHeaders } from './retrying-requests.ts';
import type { StoreResult } from './store-failure.ts';
import { createMessageStore } from './store-message.ts';

export type ComposedMessage = {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
};

/**
 * Stores messages that are composed already, all at once: the caller bounds how many. Each must have a `Nats-Msg-Id`.
 *
 * @param retryForMs How long a message is tried that NATS does not confirm, in milliseconds.
 */
export function createMessagePublisher(client: NatsClient, retryForMs: number) {
  const store = createMessageStore(client, { retryForMs });
  return {
    isConnected: () => client.isConnected(),
    /** Rejects only if the client is closed. */
    async publish({ subject, body, headers: values }: ComposedMessage): Promise<StoreResult> {
      const headers = headerBlock(values);
      if (headers === null)
        return { failed: 'invalid', detail: `a header of the message to ${subject} is not valid` };
      return store({ subject, data: body, headers: encodedHeaders(headers) });
    },
  };
}
