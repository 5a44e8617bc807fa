import { deliveryId } from '../core/message/delivery-id.ts';
import type { Parsed } from '../core/message/envelope.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import { judgeTimes, type Times } from '../core/retry/delivery-window.ts';
import type { Message } from './message.ts';
import {
  endpointKeyOf,
  isFanOut,
  isUnsendable,
  type KnownRows,
  resolve,
  type Unsendable,
} from './resolve.ts';

/**
 * A message that is not to be sent for its time: it is too late, or too early, or nobody knows. Null: it may go on. Before it is
 * resolved: who gets it is decided when it is due. What is malformed is told at once.
 *
 * @param rows Null while they have never been read.
 * @param now Milliseconds since 1970.
 */
export function untimely(
  parsed: Parsed,
  times: Times,
  message: Message,
  rows: KnownRows | null,
  now: number,
): Unsendable | null {
  if (parsed.kind === 'malformed' || parsed.kind === 'forbidden') return null;
  const nobodys = { id: deliveryId(message), endpointKey: message.parkedFor ?? NO_ENDPOINT_KEY };
  if (times.problem !== null)
    return { ...nobodys, outcome: { kind: 'unsendable', reason: 'malformed', detail: times.problem } };
  const outcome = judgeTimes(times, now, message.notBefore);
  if (outcome === null || outcome.kind === 'early') return outcome && { ...nobodys, outcome };

  const intended = resolve(parsed, message, rows);
  if (isFanOut(intended)) return { ...nobodys, outcome };
  if (!isUnsendable(intended))
    return { id: intended.id, endpointKey: endpointKeyOf(intended), outcome, intended };
  // What nobody wants is no loss.
  return intended.outcome.kind === 'unwanted' ? intended : { ...intended, outcome };
}
