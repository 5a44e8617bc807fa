import { Events } from 'nats';
import { failpoint } from '../../runtime/failpoint.ts';
import { Listeners } from '../../runtime/listeners.ts';
import type { NatsClient } from '../connection/client.ts';

/** What is said about one hand-out, on its way to the server. */
type Ack = {
  readonly reply: string;
  readonly payload: Uint8Array;
  readonly repeatUntil: number;
  readonly lease: Lease | undefined;
};

/** Of an ordered message: a word that comes when the server has given it to somebody else would let the next one out. */
export type Lease = {
  /** Until when the word may be said at all, on the clock of `performance.now()`. */
  readonly expiresAt: number;
  /** Told when the server has the word. */
  onConfirmed?(): void;
};

/** How long a word may wait for company, in milliseconds. One socket write for many quarters the server's CPU per ack. */
const COALESCE_MS = 5;
/** How long words wait that our user may not say: until somebody grants it, in milliseconds. */
const DENIED_RETRY_MS = 5000;

const DENIED =
  'NATS denies us the right to publish to "$JS.ACK.>": nothing is pulled until it is granted, since what is delivered could not be acknowledged';

const ackBuffered = failpoint('ack.buffered');
const ackConfirmed = failpoint('ack.confirmed');

export interface AckBuffer {
  /**
   * Says a word, soon: acks, naks and progress. Never throws.
   *
   * @param safeToRepeatForMs For how long it does no harm to say it twice. A nak that is said again when the message is with
   * somebody already would hand it out a second time. @default for ever: of acks and progress the second changes nothing.
   * @param lease Without it, the word may be said at any time.
   */
  send(reply: string, payload: Uint8Array, safeToRepeatForMs?: number, lease?: Lease): void;
  /** Resolves when the server has confirmed everything said so far, or `timeoutMs` went by: then false. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Null while the server takes our words; else why not, for health. What is delivered then would be delivered again. */
  problem(): string | null;
  /** Called when the server takes acks again, after it refused them. */
  onAccepted(listener: () => void): void;
}

/**
 * Words go out together, by a 5 ms timer, and count as said once a PONG came back after them; only then the next ones
 * go out, so that their order stays. Those without a PONG when the connection breaks are said again on the next one, and
 * those that the server turned down, for want of a right, now and then.
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
      // After what came before the PONG is read: it tells which words the server turned down.
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

/** What may be said by now. */
function inTime(words: readonly Ack[]): Ack[] {
  const now = performance.now();
  return words.filter(({ lease }) => lease === undefined || now < lease.expiresAt);
}

/** What it does no harm to say twice by now. */
function repeatable(words: readonly Ack[]): Ack[] {
  const now = performance.now();
  return words.filter(({ repeatUntil }) => now < repeatUntil);
}
