import { setTimeout as wait } from 'node:timers/promises';

/**
 * How long to wait for one answer about a stream or a consumer, in milliseconds. A request to a leader that was just lost is
 * never answered, and the client waits 5 s for it. Below 1 s, a slow server counts as a server that does not answer. Above 1 s,
 * the next leader is asked late.
 */
const ANSWER_MS = 1000;

/** Resolves to the answer; to null if the request fails, or is not answered within a second. */
export function answerInTime<T>(request: Promise<T>): Promise<T | null> {
  return Promise.race([request.catch(() => null), wait(ANSWER_MS, null, { ref: false })]);
}
