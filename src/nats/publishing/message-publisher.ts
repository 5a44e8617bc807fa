import type { NatsClient } from '../connection/client.ts';
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

/** The characters that NATS allows in the name of a header. */
const NAME = /^[!-9;-~]+$/;

/** The headers as they are sent; null if one is not valid in NATS. The map of the client costs several times more. */
function headerBlock(values: Readonly<Record<string, string>>): Uint8Array | null {
  let block = 'NATS/1.0\r\n';
  for (const [name, value] of Object.entries(values)) {
    if (!NAME.test(name) || value.includes('\r') || value.includes('\n')) return null;
    block += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${block}\r\n`);
}
