import { maxAgeMs, retryPolicy } from '../../config/retry-policy.ts';
import type { Settings } from '../../config/settings.ts';
import { createMessageParser } from '../../core/message/envelope.ts';
import { createDeliverySteps, type StepsOptions } from '../../delivery/steps.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';

type FromSettings = 'policy' | 'maxAgeMs' | 'attemptLog' | 'storedBytes' | 'parse' | 'now' | 'random';

/** Wires the steps of a message without an ordering key. */
export function assembleSteps(settings: Settings, parts: Omit<StepsOptions<ReceivedMessage>, FromSettings>) {
  return createDeliverySteps<ReceivedMessage>({
    ...parts,
    policy: retryPolicy(settings),
    maxAgeMs: maxAgeMs(settings),
    attemptLog: settings.ATTEMPT_LOG,
    storedBytes: settings.STORE_PAYLOADS === 'none' ? 0 : settings.STORE_PAYLOAD_BYTES,
    parse: createMessageParser(settings.ENDPOINT_KEY),
    now: Date.now,
    random: Math.random,
  });
}
