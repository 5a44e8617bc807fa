import { nameOf } from '../core/endpoint/endpoint-request.ts';
import { surelyForbids } from '../core/endpoint/forbidden.ts';
import type { Delivery } from '../core/message/delivery.ts';
import type { LiveInstance } from '../core/records/worker-instance.ts';
import type { Attempt, Outcome } from '../core/retry/attempt.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import type { EndpointHolds, Hold } from './admission/endpoint-holds.ts';
import type { DeliverySteps } from './handle-message.ts';

type Send = DeliverySteps<never>['send'];
type Blocked = Extract<Outcome, { kind: 'blocked' }>;

export type PeerKnowledge = {
  /** The live peers, as they were last read; null: not known. */
  recent(): readonly LiveInstance[] | null;
  /** Reads the peers again. Resolves to true if a read that began after the call succeeded. */
  refreshed(): Promise<boolean>;
};

/**
 * Holds the messages that the address rules of this worker forbid, where that may be a mistake: the address is the one of a row, or
 * a live peer may allow it, or the peers are not known. Then nothing is dead-lettered, and this worker leaves the parked queue of
 * the endpoint to its peers for a while. A URL in a message stays forbidden if every live peer forbids it, too.
 */
export function holdForbidden(send: Send, peers: PeerKnowledge, holds: Pick<EndpointHolds, 'hold'>): Send {
  return async (delivery, isOver): Promise<Attempt> => {
    const attempt = await send(delivery, isOver);
    if (attempt.outcome.kind !== 'blocked') return attempt;
    let held = whyHeld(delivery, attempt.outcome, peers.recent());
    // A dead letter is final, and a peer that may send the message can have started after the last read.
    held ??= whyHeld(delivery, attempt.outcome, await freshPeers(peers));
    if (held === null) return attempt;
    const { target, endpoint } = delivery;
    holds.hold(target.endpointKey, { ...held, url: target.origin, rowUrl: endpoint?.row.url ?? null });
    return { ...attempt, outcome: { kind: 'held', detail: held.why } };
  };
}

/**
 * How long a message that nobody may send waits for a read of the peers, in milliseconds. Too low: it is parked, and tried again
 * after the read. Too high: while PostgreSQL hangs, such messages keep their slots.
 */
const READ_MS = 2000;

/** The peers as a read shows them that began now; null: they could not be read. */
async function freshPeers(peers: PeerKnowledge): Promise<readonly LiveInstance[] | null> {
  let isRead = false;
  await withTimeout(
    READ_MS,
    peers.refreshed().then((succeeded) => {
      isRead = succeeded;
    }),
  );
  return isRead ? peers.recent() : null;
}

/** Null: no live worker may send it. */
function whyHeld(
  { target, endpoint }: Delivery,
  { detail, addresses }: Blocked,
  recent: readonly LiveInstance[] | null,
): Pick<Hold, 'why' | 'untilPeersAreRead' | 'isLeftToPeers'> | null {
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
