import type { Delivery } from '../core/message/delivery.ts';
import { isUndeliverable, type Undeliverable } from './resolve.ts';

export function webhookIdOf(routed: Delivery | Undeliverable): number | null {
  return isUndeliverable(routed) ? routed.webhookId : (routed.endpoint?.row.id ?? null);
}

export function endpointKeyOf(routed: Delivery | Undeliverable): string {
  return isUndeliverable(routed) ? routed.endpointKey : routed.target.endpointKey;
}

/** Which delivery a message is, or will be. */
export type DeliveryKey = {
  readonly id: string;
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
  /** The key of the origin, if `endpointKey` is the one of a URL that is split off for a while. Absent: `endpointKey`. */
  readonly lastingKey?: string;
};

/** Which delivery it is, for the settlement. */
export function deliveryKeyOf(routed: Delivery | Undeliverable): DeliveryKey {
  const endpointKey = endpointKeyOf(routed);
  const target = isUndeliverable(routed) ? routed.intended?.target : routed.target;
  const originKey = target?.unit?.originKey;
  const webhookId = webhookIdOf(routed);
  return { id: routed.id, endpointKey, webhookId, ...(originKey !== undefined && { lastingKey: originKey }) };
}
