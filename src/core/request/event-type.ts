import { scalarText } from '../json/fields.ts';
import { JsonPaths } from '../json/paths.ts';

const FIELDS = new JsonPaths([['event'], ['event_type'], ['type']]);

/**
 * The event types of a message: the fields `event`, `event_type` and `type` at the top of its payload, if they are strings, then
 * the NATS header `X-Event-Type`. None, one or several, in this order.
 *
 * @param payload Any bytes.
 */
export function eventTypesOf(payload: Uint8Array, header: string | undefined): string[] {
  const values = FIELDS.valuesIn(payload) ?? [];
  const found = values.flatMap((json) => (json?.[0] === 0x22 ? [scalarText(json)!] : []));
  return header ? [...found, header] : found;
}
