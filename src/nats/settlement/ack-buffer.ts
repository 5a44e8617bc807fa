import { Events } from 'nats';
import { failpoint } from '../../runtime/failpoint.ts';
import { Listeners } from '../../runtime/listeners.ts';
import type { NatsClient } from '../connection/client.ts';

/** An ack, nak or progress message for one delivery by NATS, on its way to the server. */
type Ack = {
  readonly reply: string;
  readonly payload: Uint8Array;
  readonly repeatUntil: number;
  readonly lease: Lease | undefined;
};

/**
 * Lease on an ordered message. After the end of the lease, another worker may have the message. An ack that comes then would
 * release the next message of the ordering key too early.
 */
export type Lease = {
  /** Until when the ack may be sent, on the clock of `performance.now()`. */
  readonly expiresAt: number;
  /** Called when the server has received the ack. */
  onConfirmed?(): void;
};

/**
 * How long an ack waits for others, in milliseconds. One socket write for many acks cuts the server's CPU per ack to a quarter.
 */
const COALESCE_MS = 5;
/** Delay before refused acks are sent again, in milliseconds. They are refused until an operator grants the permission. */
const DENIED_RETRY_MS = 5000;

const DENIED =
  'NATS denies our user the right to publish to "$JS.ACK.>": nothing is pulled until ' +
  'the right is granted, because the worker could not ack the messages';

const ackBuffered = failpoint('ack.buffered');
const ackConfirmed = failpoint('ack.confirmed');

export interface AckBuffer {
  /**
   * Sends an ack, a nak or a progress message soon. Never throws.
   *
   * @param safeToRepeatForMs How long the payload may be sent a second time, in milliseconds. If a nak is repeated after another
   * worker has the message, NATS delivers the message once more. @default without limit: a second ack or progress message has
   * no effect.
   * @param lease Without a lease, the payload may be sent at any time.
   */
  send(reply: string, payload: Uint8Array, safeToRepeatForMs?: number, lease?: Lease): void;
  /** Resolves to true when the server has confirmed everything sent so far, or to false after `timeoutMs`. */
  flush(timeoutMs: number): Promise<boolean>;
  /**
   * Why the server refuses acks, for /health; null while it accepts them. While the server refuses acks, it redelivers every
   * message after ACK_WAIT_MS.
   */
  problem(): string | null;
  /** Adds a listener that is called when the server accepts acks again after it refused them. */
  onAccepted(listener: () => void): void;
}

/**
 * Sends acks in batches, by a 5 ms timer. A batch is confirmed by the PONG after it. The next batch goes out only then, so that
 * the order is kept. A batch without a PONG is sent again after a reconnect. Acks that the server refused for lack of
 * permission are sent again every DENIED_RETRY_MS.
 */
export function createAckBuffer(client: NatsClient): AckBuffer {
  const accepted = new Listeners();
  const nc = client.connection;
  let waiting: Ack[] = [];
  let unconfirmed = 0;
  let connected = client.isConnected();
  let scheduled = false;
  let whenEmpty: (() => void)[] = [];
  let problem: string | null = null;
  const deniedReplies = new Set<string>();

  function schedule(): void {
    if (!connected || scheduled || unconfirmed > 0 || waiting.length === 0) return;
    scheduled = true;
    setTimeout(
      () => {
        scheduled = false;
        write();
      },
      problem === null ? COALESCE_MS : DENIED_RETRY_MS,
    );
  }

  function write(): void {
    if (!connected || nc.isClosed() || unconfirmed > 0 || waiting.length === 0) return;
    const batch = inTime(waiting);
    waiting = [];
    unconfirmed = batch.length;
    for (const { reply, payload } of batch) nc.publish(reply, payload);
    nc.flush().then(
      // Wait until everything before the PONG is read: the errors in it tell which acks the server refused.
      () => setImmediate(confirmed, batch),
      () => written(repeatable(batch)),
    );
  }

  function confirmed(batch: readonly Ack[]): void {
    ackConfirmed();
    const denied = batch.filter(({ reply }) => deniedReplies.has(reply));
    for (const { reply, lease } of batch) if (!deniedReplies.has(reply)) lease?.onConfirmed?.();
    deniedReplies.clear();
    const again = repeatable(denied);
    const wasDenied = problem !== null;
    problem = again.length === 0 ? null : DENIED;
    written(again);
    if (wasDenied && problem === null) accepted.call();
  }

  function written(again: Ack[]): void {
    unconfirmed = 0;
    waiting = again.concat(waiting);
    schedule();
    if (waiting.length > 0) return;
    for (const wake of whenEmpty) wake();
    whenEmpty = [];
  }

  async function followConnection(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) connected = false;
      if (status.permissionContext?.operation === 'publish')
        deniedReplies.add(status.permissionContext.subject);
      if (status.type === Events.Reconnect) {
        connected = true;
        schedule();
      }
    }
  }
  void followConnection();

  return {
    problem: () => problem,
    onAccepted: (listener) => void accepted.add(listener),
    send(reply, payload, repeatForMs = Number.POSITIVE_INFINITY, lease) {
      waiting.push({ reply, payload, repeatUntil: performance.now() + repeatForMs, lease });
      ackBuffered();
      schedule();
    },
    flush(timeoutMs) {
      write();
      if (waiting.length === 0 && unconfirmed === 0) return Promise.resolve(true);
      if (nc.isClosed()) return Promise.resolve(false);
      return new Promise((resolve) => {
        const giveUp = setTimeout(() => resolve(false), timeoutMs);
        whenEmpty.push(() => {
          clearTimeout(giveUp);
          resolve(true);
        });
      });
    },
  };
}

/** The acks whose lease is still valid. */
function inTime(acks: readonly Ack[]): Ack[] {
  const now = performance.now();
  return acks.filter(({ lease }) => lease === undefined || now < lease.expiresAt);
}

/** The acks that are still safe to send twice. */
function repeatable(acks: readonly Ack[]): Ack[] {
  const now = performance.now();
  return acks.filter(({ repeatUntil }) => now < repeatUntil);
}
