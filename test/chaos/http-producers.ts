import { setTimeout as wait } from 'node:timers/promises';
import { idOfKey, idPrefix } from '../../src/core/ingest/webhook-id.ts';
import { freePort } from '../../src/embedded/process/ports.ts';
import { createPostClient } from '../../src/http/post-client.ts';
import { UserError } from '../../src/runtime/failure.ts';
import type { Published } from './load.ts';
import type { ProducerOptions, Producers } from './producers.ts';

const APIS = ['api-1', 'api-2'];
/** How long a request waits for its answer, in milliseconds. Above CONFIRM_TIMEOUT_MS, so that the API answers first. */
const REQUEST_MS = 3000;
const PAUSE_MS = 250;
const CONNECTIONS = 256;
/** What a good request may be answered with: stored, surely not stored, not confirmed. */
const KNOWN = new Set([202, 503, 504]);
const HEADERS = { 'content-type': 'application/json' };
/** The webhooks of `POST /webhooks` that bring their URL, without an API key. */
const SCOPE = { name: 'url', tenant: '' };
const UNKNOWN: Published = { kind: 'unknown' };
const PREFIX = idPrefix(SCOPE);

/**
 * Posts to two `api` by turns: half of the messages under a key of their own, the others without a key. While a message may be stored,
 * it is posted again, to the other one, under its key or the id of the answer 504. An answer 503 to a message that cannot be stored
 * yet is final.
 */
export async function httpProducers(options: ProducerOptions): Promise<Producers> {
  const { make, givesUpAt, failed } = options;
  const ports = await Promise.all(APIS.map(() => freePort()));
  const programs = APIS.map((name, index) => {
    const settings = { PORT: String(ports[index]), ADMIN_PORT: '0', API_AUTH: 'open' };
    return make({ command: 'api', name, settings });
  });
  const clients = ports.map((port) =>
    createPostClient(`http://127.0.0.1:${port}`, { connections: CONNECTIONS, timeoutMs: REQUEST_MS }),
  );
  let turn = 0;
  let messages = 0;

  return {
    programs,
    async publish({ id: ownKey, url, body, orderingKey }) {
      const request = Buffer.from(
        JSON.stringify({ webhook_url: url, data: body, ordering_key: orderingKey }),
      );
      // Not by turns, because the two api are used by turns: each must get both kinds.
      let key: string | null = messages++ % 4 < 2 ? ownKey : null;
      for (let isRepeated = false; performance.now() < givesUpAt; isRepeated = true) {
        const headers = key === null ? HEADERS : { ...HEADERS, 'idempotency-key': key };
        const answer = await clients[turn++ % clients.length]!.post('/webhooks', headers, request);
        const status = 'status' in answer ? answer.status : null;
        if ('status' in answer && status === 202) {
          const { id, stream, sequence } = JSON.parse(answer.body);
          return { kind: 'accepted', id, stream, sequence, isRepeated };
        }
        if (status !== null && !KNOWN.has(status)) failed(new UserError(`an api answered ${status}.`));
        const isSurelyNotStored = 'failed' in answer ? answer.isUnsent : status === 503;
        if (isSurelyNotStored && !isRepeated)
          return key === null ? UNKNOWN : { kind: 'refused', id: idOfKey(PREFIX, SCOPE, key) };
        if ('status' in answer && status === 504) key ??= JSON.parse(answer.body).id as string;
        // Broken before the answer, so that there is no id to repeat it under.
        if (key === null) return UNKNOWN;
        await wait(PAUSE_MS);
      }
      return UNKNOWN;
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
