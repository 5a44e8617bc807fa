import type { SendResult } from './ledger.ts';

/** The answer of the HTTP API to one request; or why there is none. `isUnsent`: the API cannot have read the request. */
export type ApiAnswer =
  | { readonly status: number; readonly body: string }
  | { readonly failed: string; readonly isUnsent: boolean };

/** `again`: the webhook may be stored, so the request is to be repeated under its key. `id`: known so far. */
export type HttpVerdict =
  | SendResult
  | { readonly kind: 'again'; readonly reason: string; readonly id: string | null };

/**
 * What the answer to a request means, which has an `Idempotency-Key`.
 *
 * @param mayBeStored True if an earlier request under this key may have been stored: then no refusal is certain.
 */
export function judgeAnswer(answer: ApiAnswer, mayBeStored: boolean): HttpVerdict {
  if ('failed' in answer) {
    const reason = `the HTTP API cannot be reached: ${answer.failed}`;
    return answer.isUnsent && !mayBeStored
      ? { kind: 'refused', reason, endsRun: false }
      : { kind: 'again', reason, id: null };
  }
  const { status } = answer;
  const { id, duplicate, title, detail } = membersOf(answer.body);
  if (status === 202 && typeof id === 'string')
    return { kind: 'accepted', id, duplicate: duplicate === true };
  const why = [title, detail].filter((text) => typeof text === 'string').join(' ');
  const reason = `HTTP ${status}${why === '' ? '' : `: ${why}`}`;
  const isCertain = status >= 400 && status < 500 ? status !== 408 : status === 503;
  if (!isCertain) return { kind: 'again', reason, id: typeof id === 'string' ? id : null };
  if (mayBeStored) return { kind: 'again', reason, id: null };
  return { kind: 'refused', reason, endsRun: ENDS_RUN.has(status) };
}

/** No key, no right, no such name: every further request would be answered in the same way. */
const ENDS_RUN = new Set([401, 403, 404, 405]);

function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
