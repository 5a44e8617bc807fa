import { nameOf } from '../core/endpoint/endpoint-request.ts';
import { surelyForbids } from '../core/endpoint/forbidden.ts';
import type { Delivery } from '../core/message/delivery.ts';
import type { Attempt, Outcome } from '../core/retry/attempt.ts';
import type { EndpointHolds, Hold } from './admission/endpoint-holds.ts';
import type { DeliverySteps } from './handle-message.ts';
import type { Peers } from './peers.ts';

type Send = DeliverySteps<never>['send'];
type Blocked = Extract<Outcome, { kind: 'blocked' }>;

/**
 * Holds the messages that the address rules of this worker forbid, where that may be a mistake: the address is the one of a row, or
 * a live peer may allow it, or the peers are not known. Then nothing is dead-lettered, and this worker leaves the parked queue of
 * the endpoint to its peers for a while. A URL in a message stays forbidden if every live peer forbids it, too.
 */
export function holdForbidden(
  send: Send,
  peers: Pick<Peers, 'recent'>,
  holds: Pick<EndpointHolds, 'hold'>,
): Send {
  return async (delivery, isOver): Promise<Attempt> => {
    const attempt = await send(delivery, isOver);
    if (attempt.outcome.kind !== 'blocked') return attempt;
    const held = whyHeld(delivery, attempt.outcome, peers);
    if (held === null) return attempt;
    const { target, endpoint } = delivery;
    holds.hold(target.endpointKey, { ...held, url: target.origin, rowUrl: endpoint?.row.url ?? null });
    return { ...attempt, outcome: { kind: 'held', detail: held.why } };
  };
}

/** Null: no live worker may send it. */
function whyHeld(
  { target, endpoint }: Delivery,
  { detail, addresses }: Blocked,
  peers: Pick<Peers, 'recent'>,
): Pick<Hold, 'why' | 'untilPeersAreRead' | 'isLeftToPeers'> | null {
  const recent = peers.recent();
  if (recent === null) {
    const why = `this worker may not send to it (${detail}), and does not know yet whether another worker of the group may`;
    return { why, untilPeersAreRead: true, isLeftToPeers: false };
  }
  const destination = { hostname: target.hostname, port: target.port, addresses };
  const allowing = recent.filter(({ settings }) => !surelyForbids(settings, destination));
  if (allowing.length > 0) {
    const names = allowing.map(({ name }) => name).join(', ');
    return {
      why: `this worker may not send to it (${detail}), and leaves it to ${names}`,
      untilPeersAreRead: false,
      isLeftToPeers: true,
    };
  }
  if (endpoint === null) return null;
  const why = `${nameOf(endpoint.row)}: no worker may send to it: ${detail}`;
  return { why, untilPeersAreRead: false, isLeftToPeers: false };
}
