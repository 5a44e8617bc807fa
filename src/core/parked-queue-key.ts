import { NO_ENDPOINT_KEY } from './request/target.ts';

/** An endpoint key has no dot, so no endpoint has a key with this prefix. */
const TRIED = 'again.';

/**
 * The parked queue of an endpoint where a message waits: messages that were tried before wait apart from the others, so that a
 * message that always fails never stands before one that was not tried. The class is a prefix, because older workers find a row by
 * the hash at the end of the key.
 *
 * @param attempts Attempts made so far.
 */
export function parkedQueueKey(endpointKey: string, attempts: number): string {
  // For a message without a known endpoint, older workers look at the whole key.
  return attempts > 0 && endpointKey !== NO_ENDPOINT_KEY ? TRIED + endpointKey : endpointKey;
}

/** True if the messages of this queue were tried before. */
export function isTriedQueue(queueKey: string): boolean {
  return queueKey.startsWith(TRIED);
}

export function endpointKeyOfQueue(queueKey: string): string {
  return isTriedQueue(queueKey) ? queueKey.slice(TRIED.length) : queueKey;
}
