import { deliveryId } from '../core/message/delivery-id.ts';
import type { ParsedMessage } from '../core/message/envelope.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import { checkWindow, type DeliveryWindow } from '../core/retry/delivery-window.ts';
import { endpointKeyOf, webhookIdOf } from './delivery-key.ts';
import type { Message } from './message.ts';
import {
  isFanOut,
  isUndeliverable,
  type RegistrySnapshot,
  resolve,
  type TargetFor,
  type Undeliverable,
} from './resolve.ts';

/**
 * Returns why the message must not be sent now: expired, not yet due, or its time headers are invalid. Null if it may be sent.
 * Runs before `resolve`, because the endpoints are chosen when the message is due. A malformed message is left to `resolve` at
 * once.
 *
 * @param registry Null while the rows of `rule_webhooks` have never been read.
 * @param targetFor As for `resolve`.
 * @param now Milliseconds since 1970.
 */
export function checkTiming(
  parsed: ParsedMessage,
  window: DeliveryWindow,
  message: Message,
  registry: RegistrySnapshot | null,
  targetFor: TargetFor,
  now: number,
): Undeliverable | null {
  if (parsed.kind === 'malformed' || parsed.kind === 'forbidden') return null;
  const noEndpoint = {
    id: deliveryId(message),
    endpointKey: message.parkedEndpointKey ?? NO_ENDPOINT_KEY,
    webhookId: message.webhookId,
  };
  if (window.problem !== null)
    return { ...noEndpoint, outcome: { kind: 'undeliverable', reason: 'malformed', detail: window.problem } };
  const outcome = checkWindow(window, now, message.notBefore);
  if (outcome === null || outcome.kind === 'notDue') return outcome && { ...noEndpoint, outcome };

  const intended = resolve(parsed, message, registry, targetFor);
  if (isFanOut(intended)) return { ...noEndpoint, outcome };
  if (!isUndeliverable(intended))
    return {
      id: intended.id,
      endpointKey: endpointKeyOf(intended),
      webhookId: webhookIdOf(intended),
      outcome,
      intended,
    };
  // A message that no row accepts is discarded, not dead-lettered as expired.
  return intended.outcome.kind === 'filtered' ? intended : { ...intended, outcome };
}
