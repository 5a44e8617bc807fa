import { describe, expect, it } from 'vitest';
import { endpointKeyOfQueue, isTriedQueue, parkedQueueKey } from '../../src/core/parked-queue-key.ts';
import { NO_ENDPOINT_KEY } from '../../src/core/request/target.ts';

const KEY = 'example-com-0a1b2c3d';

describe('the parked queue of a message', () => {
  it.each([
    ['that was not tried', KEY, 0, KEY],
    ['that was tried', KEY, 1, `again.${KEY}`],
    ['without a known endpoint, tried or not', NO_ENDPOINT_KEY, 3, NO_ENDPOINT_KEY],
  ])('%s has the key %s', (_what, endpointKey, attempts, queueKey) => {
    expect(parkedQueueKey(endpointKey, attempts)).toBe(queueKey);
  });

  it.each([KEY, `again.${KEY}`])('%s belongs to its endpoint', (queueKey) => {
    expect(endpointKeyOfQueue(queueKey)).toBe(KEY);
    expect(isTriedQueue(queueKey)).toBe(queueKey !== KEY);
  });
});
