import type pg from 'pg';
import type { Settings } from '../../config/settings.ts';
import { subjectPrefixOf } from '../../config/subject-prefix.ts';
import { isPublishable } from '../../core/subject.ts';
import { createPostClient } from '../../http/post-client.ts';
import type { SendPort } from '../../load/run-load.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { enqueueWebhook } from '../../postgres/tables/outbox-writer.ts';
import { UserError } from '../../runtime/failure.ts';
import type { LoadFlags } from './flags.ts';
import { CONNECTIONS, httpWay } from './http-way.ts';
import type { LoadMessage } from './message.ts';
import { natsWay } from './nats-way.ts';
import { outboxWay } from './outbox-way.ts';
import { writeInvoice } from './write-invoice.ts';

/** How long a request to the HTTP API may take, in milliseconds. The API itself answers with 504 long before. */
const ANSWER_WITHIN_MS = 30_000;

export type WayParts = {
  readonly settings: Settings;
  readonly client: NatsClient;
  /** Null: the run does not use the outbox. */
  readonly pool: pg.Pool | null;
  /** Gets what must be closed at the end. */
  readonly started: { close(): Promise<void> }[];
};

/** How messages are handed over to an endpoint; null: to a name. */
export type Way = (url: string | null) => SendPort<LoadMessage>;

export function wayOf({ via, name }: LoadFlags, { settings, client, pool, started }: WayParts): Way {
  if (via === 'nats') {
    const subject = subjectOf(settings, name);
    return (url) => natsWay(client, { subject, url });
  }
  if (via === 'outbox') return (url) => outboxWayTo(url, name, pool!, settings);
  const posting = createPostClient(via.api, { connections: CONNECTIONS, timeoutMs: ANSWER_WITHIN_MS });
  started.push(posting);
  const apiKey = via.apiKey ?? settings.API_KEY ?? null;
  return (url) => httpWay(posting, { name, url, apiKey });
}

function outboxWayTo(url: string | null, name: string, pool: pg.Pool, { DATABASE_URL }: Settings) {
  return outboxWay(pool, {
    url: DATABASE_URL,
    write: (client, { id, body, invoice }) =>
      invoice === null
        ? enqueueWebhook(client, { name, data: body.toString(), webhookUrl: url, messageId: id })
        : writeInvoice(client, invoice, { id, name, url }),
  });
}

/** `webhooks.*` gives `webhooks.load`, as the API and the relay publish. */
function subjectOf({ SUBJECT }: Settings, name: string): string {
  const subject = `${subjectPrefixOf(SUBJECT)}.${name}`;
  if (isPublishable(subject)) return subject;
  throw new UserError(`--name: "${name}" cannot stand in a subject; use letters, digits, - and _.`, {
    exitCode: 2,
  });
}
