import { createInbox, Events, type Msg, type Subscription } from 'nats';
import type { NatsClient } from './client.ts';
import type { PullLimits } from './durable.ts';
import { HandOut } from './hand-out.ts';

export type PullOptions = {
  readonly stream: string;
  readonly durable: string;
  /** When the stream was made, in milliseconds since 1970: another one when it is made again. */
  streamCreated(): number;
  /** The most messages that one pull asks for. */
  readonly maxBatch: number;
  /** What the durable allows beside. */
  limits(): PullLimits;
  /**
   * Whether stream and durable are still those that are known. Asked when the server turned a pull away and after a
   * reconnect, before anything more is pulled: they may have been made again, and their sequences start again then.
   */
  isKnown(): Promise<boolean>;
};

/** Who takes the messages. */
export interface Taker {
  /** Slots without a message. */
  free(): number;
  /** Takes a message into a slot. Called only while one is free. */
  take(message: HandOut): void;
  /** Hands back, at once, a message that no slot is free for. */
  handBack(message: HandOut): void;
}

export interface PullConsumer {
  start(): void;
  /** Tells that a slot became free. */
  slotFreed(): void;
  /** No new pulls; resolves when every message that was already on its way has been taken. */
  stop(): Promise<void>;
  /** Asks at once, since what kept pulls from being answered is mended. */
  retry(): void;
  /** Null while pulls are answered; else what the server said last, for health. */
  trouble(): string | null;
}

/**
 * How long the server keeps a pull that it cannot fill, in milliseconds. Short, so that a pull that was lost (an
 * election, a broken link) is missed soon; an idle worker sends one small request in this time.
 */
const EXPIRES_MS = 3000;
/** After this, the server has forgotten a pull that it did not answer. */
const GRACE_MS = 1000;
/** A freed slot waits this long for company, unless an eighth of all that is asked for at once has gathered. */
const COALESCE_MS = 5;
/** Wait after a pull was turned away, so that a stream without a leader is not asked in a loop; doubles, in milliseconds. */
const SETBACK_MS = { first: 100, most: 2000 };
const NOBODY = 'nobody answers: no such consumer, no leader, or JetStream is off or out of disk';
/** Pulls that may be open at once. A few large ones carry all; their number bounds what waits on the server. */
const LANES = 16;

/** An inbox of its own, kept subscribed, with at most one open pull: so every message is known by the pull it answers. */
type Lane = { readonly reply: string; subscription: Subscription; credits: number; endsAt: number };

/**
 * The pull loop: asks for as many messages as there are free slots, and never for more. What was asked for and has not
 * come is a credit, counted exactly: the server says when it gives up on a pull, and one that it never answers
 * ends with its time. So nothing waits here without a slot, whatever happens to the connection or the event loop.
 */
export function createPullConsumer(client: NatsClient, options: PullOptions, taker: Taker): PullConsumer {
  const nc = client.connection;
  const subject = `${client.apiPrefix}.CONSUMER.MSG.NEXT.${options.stream}.${options.durable}`;
  let lanes: Lane[] = [];
  let credits = 0;
  let timer: NodeJS.Timeout | undefined;
  let wakesAt = Number.POSITIVE_INFINITY;
  let notBefore = 0;
  let setbackMs = SETBACK_MS.first;
  let asking = false;
  let connected = client.isConnected();
  let known: 'yes' | 'no' | 'asking' = 'yes';
  let trouble: string | null = null;

  function openLane(): Lane {
    const reply = createInbox();
    const lane = { reply, credits: 0, endsAt: 0 } as Lane;
    lane.subscription = nc.subscribe(reply, {
      callback: (error, message) => {
        if (error !== null) trouble = error.message;
        else if (message.reply) onMessage(lane, message);
        else onStatus(lane, message);
      },
    });
    return lane;
  }

  function ask(): void {
    if (!asking || !connected) return;
    const now = performance.now();
    for (const lane of lanes) if (lane.endsAt <= now) forget(lane);
    if (now < notBefore) {
      wakeWithin(notBefore - now);
      return;
    }
    if (known === 'no') void getToKnow();
    if (known !== 'yes') return;
    const free = taker.free();
    if (wantsMore(free)) {
      for (const lane of lanes) {
        if (lane.credits === 0 && credits < free) pull(lane, Math.min(free - credits, mostAtOnce()), now);
      }
    }
    const ends = lanes.filter((lane) => lane.credits > 0).map((lane) => lane.endsAt);
    if (ends.length > 0) wakeWithin(Math.min(...ends) - now);
  }

  async function getToKnow(): Promise<void> {
    known = 'asking';
    known = (await options.isKnown()) ? 'yes' : 'no';
    if (known === 'no') setBack();
    ask();
  }

  function mostAtOnce(): number {
    return Math.min(options.maxBatch, options.limits().batch ?? options.maxBatch);
  }

  /** Fewer, larger pulls: while half of the free slots are asked for already, more would only litter the server. */
  function wantsMore(free: number): boolean {
    return credits < free && credits <= free / 2;
  }

  /** Asks at once where that is worth a pull of its own, else soon. */
  function consider(): void {
    const free = taker.free();
    if (!wantsMore(free)) return;
    if (free - credits >= mostAtOnce() / 8) ask();
    else wakeWithin(COALESCE_MS);
  }

  function pull(lane: Lane, batch: number, now: number): void {
    const expiresMs = Math.min(EXPIRES_MS, options.limits().expiresMs ?? EXPIRES_MS);
    lane.credits = batch;
    lane.endsAt = now + expiresMs + GRACE_MS;
    credits += batch;
    nc.publish(subject, `{"batch":${batch},"expires":${expiresMs * 1_000_000}}`, { reply: lane.reply });
  }

  function close(lane: Lane): void {
    credits -= lane.credits;
    lane.credits = 0;
  }

  /** The server never answered, and has forgotten it by now: it may not have heard it at all. */
  function forget(lane: Lane): void {
    if (lane.credits === 0) return;
    trouble = 'pulls are not answered';
    close(lane);
  }

  /** Asks again after this time, or earlier where that is planned already. */
  function wakeWithin(ms: number): void {
    const at = performance.now() + ms;
    if (at >= wakesAt) return;
    clearTimeout(timer);
    wakesAt = at;
    timer = setTimeout(() => {
      wakesAt = Number.POSITIVE_INFINITY;
      // After what has arrived is read: when the event loop stood still, that may answer pulls whose time is over.
      setImmediate(ask);
    }, ms);
  }

  function onMessage(lane: Lane, message: Msg): void {
    if (lane.credits > 0) {
      lane.credits--;
      credits--;
    }
    answered();
    const handOut = new HandOut(message, options.streamCreated());
    if (taker.free() > 0) taker.take(handOut);
    else taker.handBack(handOut);
    consider();
  }

  /** The server gives up on a pull: because its time is over, or because it cannot serve it. */
  function onStatus(lane: Lane, message: Msg): void {
    const code = message.headers?.code ?? 0;
    close(lane);
    if (code === 404 || code === 408) answered();
    else {
      trouble = `${code} ${message.headers?.description || NOBODY}`;
      doubt();
      setBack();
    }
    wakeWithin(COALESCE_MS);
  }

  function setBack(): void {
    notBefore = performance.now() + setbackMs;
    setbackMs = Math.min(2 * setbackMs, SETBACK_MS.most);
  }

  function doubt(): void {
    if (known === 'yes') known = 'no';
  }

  function answered(): void {
    trouble = null;
    setbackMs = SETBACK_MS.first;
    notBefore = 0;
  }

  async function followConnection(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) connected = false;
      // The client also says so of every dial that the server turns away after its greeting.
      if (status.type !== Events.Reconnect || connected) continue;
      connected = true;
      // The server may have forgotten the pulls of the old connection. Where it has not, and brings more than we
      // have slots for, the surplus goes back.
      for (const lane of lanes) close(lane);
      doubt();
      retry();
    }
  }

  function retry(): void {
    setbackMs = SETBACK_MS.first;
    notBefore = 0;
    ask();
  }

  return {
    start() {
      asking = true;
      lanes = Array.from({ length: LANES }, openLane);
      void followConnection();
      ask();
    },
    slotFreed: consider,
    async stop() {
      asking = false;
      clearTimeout(timer);
      if (nc.isClosed()) return;
      // Drained, not cut: what the server has already sent still arrives, and is settled.
      await Promise.all(lanes.map((lane) => lane.subscription.drain().catch(() => undefined)));
    },
    retry,
    trouble: () => trouble,
  };
}
