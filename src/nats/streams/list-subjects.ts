import type { ApiError, StreamInfo } from 'nats';
import { ApiErrorCode, apiErrorCode, isTemporary, jetStreamError } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';

/** How long one page may take, in milliseconds: the server first collects the subjects of the stream. Above: an error. */
const PAGE_TIMEOUT_MS = 10_000;

type Page = StreamInfo & { readonly total?: number; readonly error?: ApiError };

/**
 * Counts the messages of a stream on each subject that the filter covers. The server returns at most 100 000 subjects per page,
 * so the function requests page after page.
 *
 * @returns null if the counts are unknown now: NATS cannot be reached, or the stream does not exist.
 */
export async function listSubjects(
  client: NatsClient,
  stream: string,
  filter: string,
): Promise<Map<string, number> | null> {
  if (!client.isConnected()) return null;
  const counts = new Map<string, number>();
  try {
    for (let offset = 0; ; ) {
      const page = await readPage(client, stream, filter, offset);
      const subjects = Object.entries(page.state.subjects ?? {});
      for (const [subject, count] of subjects) counts.set(subject, count);
      offset += subjects.length;
      if (subjects.length === 0 || offset >= (page.total ?? 0)) return counts;
    }
  } catch (error) {
    if (isTemporary(error) || apiErrorCode(error) === ApiErrorCode.streamNotFound) return null;
    throw error;
  }
}

/** The client's own `streams.info` is not used, because it fails if a later page has become empty in the meantime. */
async function readPage(client: NatsClient, name: string, filter: string, offset: number): Promise<Page> {
  const answer = await client.connection.request(
    `${client.apiPrefix}.STREAM.INFO.${name}`,
    JSON.stringify({ subjects_filter: filter, offset }),
    { timeout: PAGE_TIMEOUT_MS },
  );
  const page = answer.json<Page>();
  if (page.error !== undefined) throw jetStreamError(page.error);
  return page;
}
