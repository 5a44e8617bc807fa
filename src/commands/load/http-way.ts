import { setTimeout as pause } from 'node:timers/promises';
import { RequestHeader } from '../../core/request/header-names.ts';
import type { PostClient } from '../../http/post-client.ts';
import { judgeAnswer } from '../../load/http-answer.ts';
import type { SendResult } from '../../load/ledger.ts';
import type { SendPort } from '../../load/run-load.ts';
import { limited } from './limited.ts';
import type { Payload } from './message.ts';

/** Connections to the API, and requests under way. */
export const CONNECTIONS = 128;
/** How long a request is repeated whose webhook may be stored, in milliseconds. Then it counts as not confirmed. */
const REPEAT_FOR_MS = 30_000;
const PAUSE_MS = 500;

/**
 * Posts to the HTTP API, each webhook with a key of its own.
 *
 * @param name `POST /webhooks/{name}`: the payload alone.
 * @param url The endpoint of each webhook, by `POST /webhooks`; null: the endpoint of `name`.
 * @param apiKey Null: the API is open.
 */
export function httpWay(
  client: Pick<PostClient, 'post'>,
  {
    name,
    url,
    apiKey,
  }: { readonly name: string; readonly url: string | null; readonly apiKey: string | null },
): SendPort<Payload> {
  const path = url === null ? `/webhooks/${encodeURIComponent(name)}` : '/webhooks';
  const start = url === null ? null : Buffer.from(`{"webhook_url":${JSON.stringify(url)},"data":`);
  const end = Buffer.from('}');
  const fixed = {
    [RequestHeader.contentType]: 'application/json',
    ...(apiKey !== null && { authorization: `Bearer ${apiKey}` }),
  };

  async function send({ id: key, body }: Payload): Promise<SendResult> {
    const headers = { ...fixed, 'idempotency-key': key };
    const request = start === null ? body : Buffer.concat([start, body, end]);
    const givesUpAt = performance.now() + REPEAT_FOR_MS;
    let id: string | null = null;
    for (let mayBeStored = false; ; mayBeStored = true) {
      const verdict = judgeAnswer(await client.post(path, headers, request), mayBeStored);
      if (verdict.kind !== 'again') return verdict;
      id ??= verdict.id;
      if (performance.now() >= givesUpAt)
        return { kind: 'unconfirmed', id: id ?? key, reason: verdict.reason };
      await pause(PAUSE_MS);
    }
  }

  return limited(CONNECTIONS, send);
}
