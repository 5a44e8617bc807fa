import { type Attempt, attemptsMade, describeFailure, wasSent } from '../retry/attempt.ts';
import type { Disposition } from '../retry/disposition.ts';
import { deadLetterDetail } from '../retry/verdict.ts';

/** A call of the queue of the extension, as the ids of its message say. */
export type CallKey = {
  /** Of the database that the call is in. */
  readonly installationId: string;
  readonly callId: number;
  readonly retryCount: number;
};

/** What one attempt at a call did, and what became of the call. */
export type CallResult = CallKey & {
  /** Null: no request was sent. */
  readonly attempt: {
    readonly number: number;
    /** In milliseconds since 1970. */
    readonly startedAt: number;
    readonly durationMs: number;
  } | null;
  readonly status: number | null;
  /** The start of the response of a failure. */
  readonly responseExcerpt: string | null;
  /** Null: it succeeded. */
  readonly error: string | null;
  /** Null: the call is not over. */
  readonly end: 'success' | 'failed' | null;
  /** Attempts made so far. */
  readonly attempts: number;
};

/** The delivery ids of calls begin with this. */
export const CALL_PREFIX = 'call-';
const MAX_INTEGER = 2_147_483_647;
const DELIVERY_ID = /^call-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,10})-(\d{1,10})$/;

/** The `Nats-Msg-Id` and delivery id of a call. Two databases may have calls of the same number. */
export function callMessageId({ installationId, callId, retryCount }: CallKey): string {
  return `${CALL_PREFIX}${installationId}-${callId}-${retryCount}`;
}

/** The value of `Webhook-Call-Id`. */
export function callHeader({ callId, retryCount }: Pick<CallKey, 'callId' | 'retryCount'>): string {
  return `${callId}.${retryCount}`;
}

/**
 * The call of a message; null: it is none. Both ids must name the same call, so that a header that was copied to another message
 * changes no call.
 */
export function callKeyOf(header: string | undefined, deliveryId: string): CallKey | null {
  if (header === undefined) return null;
  const [, installationId, callId, retryCount] = DELIVERY_ID.exec(deliveryId) ?? [];
  if (installationId === undefined) return null;
  const key = { installationId, callId: Number(callId), retryCount: Number(retryCount) };
  if (key.callId > MAX_INTEGER || key.retryCount > MAX_INTEGER) return null;
  return callHeader(key) === header.trim() ? key : null;
}

/** What to write into the call; null: nothing happened that the call should know. */
export function callResultOf(
  key: CallKey,
  attemptNumber: number,
  attempt: Attempt,
  disposition: Disposition,
): CallResult | null {
  const { outcome, startedAt, durationMs } = attempt;
  const isSent = wasSent(outcome);
  const end = endOf(disposition);
  if (!isSent && end === null) return null;
  const responded = outcome.kind === 'responded' ? outcome : null;
  return {
    ...key,
    attempt: isSent ? { number: attemptNumber, startedAt, durationMs } : null,
    status: responded?.status ?? null,
    responseExcerpt: responded?.excerpt ?? null,
    error: errorOf(attempt, disposition),
    end,
    attempts: attemptsMade(attemptNumber, outcome),
  };
}

function endOf({ kind }: Disposition): CallResult['end'] {
  if (kind === 'ack') return 'success';
  return kind === 'deadLetter' || kind === 'discard' ? 'failed' : null;
}

function errorOf(attempt: Attempt, disposition: Disposition): string | null {
  if (disposition.kind === 'ack') return null;
  if (disposition.kind === 'deadLetter')
    return `${disposition.reason}: ${deadLetterDetail(attempt, disposition)}`;
  return describeFailure(attempt.outcome);
}
