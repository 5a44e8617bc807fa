import type { Settings } from '../../config/settings.ts';
import { createMessageParser } from '../../core/message/envelope.ts';
import type { RetryPolicy } from '../../core/retry/verdict.ts';
import { createDeliverySteps, type StepsOptions } from '../../delivery/steps.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';

const HOUR_MS = 3_600_000;

type FromSettings = 'policy' | 'maxAgeMs' | 'attemptLog' | 'storedBytes' | 'parse' | 'now' | 'random';

/** Wires the steps of a message without an ordering key. */
export function assembleSteps(settings: Settings, parts: Omit<StepsOptions<ReceivedMessage>, FromSettings>) {
  return createDeliverySteps<ReceivedMessage>({
    ...parts,
    policy: retryPolicy(settings),
    maxAgeMs: settings.MAX_AGE_HOURS * HOUR_MS,
    attemptLog: settings.ATTEMPT_LOG,
    storedBytes: settings.STORE_PAYLOADS === 'none' ? 0 : settings.STORE_PAYLOAD_BYTES,
    parse: createMessageParser(settings.ENDPOINT_KEY),
    now: Date.now,
    random: Math.random,
  });
}

export function retryPolicy(settings: Settings): RetryPolicy {
  return {
    maxAttempts: settings.MAX_ATTEMPTS,
    terminalStatuses: new Set(settings.TERMINAL_STATUSES),
    backoff: {
      baseMs: settings.BACKOFF_BASE_MS,
      maxMs: settings.BACKOFF_MAX_MS,
      multiplier: 2,
      retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
    },
  };
}
