import { connect, type JsMsg } from 'nats';
import { request } from 'undici';
import { benchTarget } from './target.ts';

/** A worker as the examples of the libraries suggest it, with as many requests in flight as the other workers. */
const { servers, user, pass, stream, durable, concurrency, idPrefix } = benchTarget();
const nats = await connect({ servers: [...servers], ...(user && { user }), ...(pass && { pass }) });
const consumer = await nats.jetstream().consumers.get(stream, durable);
const messages = await consumer.consume({ max_messages: concurrency });

let inFlight = 0;
let freed = () => {};

for await (const message of messages) {
  inFlight++;
  void deliver(message).finally(() => {
    inFlight--;
    freed();
  });
  while (inFlight >= concurrency) {
    await new Promise<void>((resolve) => {
      freed = resolve;
    });
  }
}

async function deliver(message: JsMsg): Promise<void> {
  const webhook = message.json<{ webhook_url: string; data: unknown; headers?: Record<string, string> }>();
  try {
    const response = await request(webhook.webhook_url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...webhook.headers,
        'webhook-id': `${idPrefix}${message.seq}`,
      },
      body: JSON.stringify(webhook.data),
      signal: AbortSignal.timeout(30_000),
    });
    await response.body.text();
    if (response.statusCode < 300) message.ack();
    else message.nak(1000);
  } catch {
    message.nak(1000);
  }
}
