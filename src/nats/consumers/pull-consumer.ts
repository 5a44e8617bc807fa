import type { Msg } from 'nats';
import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import type { NatsClient } from '../connection/client.ts';
import { publishedMessage, type ReceivedMessage } from '../messages/received-message.ts';
import type { PullLimits } from './group-consumer.ts';
import { PullRequests } from './pull-requests.ts';

export type PullOptions = {
  readonly stream: string;
  readonly durable: string;
  /** When the stream was made, in milliseconds since 1970: another one when it is made again. */
  streamCreatedAt(): number;
  /** The most messages that one pull asks for. */
  readonly maxBatch: number;
  /** What the durable allows beside. */
  limits(): PullLimits;
  /**
   * Whether stream and durable are still those that are known. Asked when the server turned a pull away and after a
   * reconnect, before anything more is pulled: they may have been made again, and their sequences start again then.
   */
  verify(): Promise<boolean>;
  /**
   * Pulls that may be open at once, each with an inbox of its own. A few large ones carry all; their number bounds what
   * waits on the server.
   * @default 16
   */
  readonly maxPulls?: number;
  /** What a message of this durable is. @default one of a stream that publishers write to */
  readonly toMessage?: ToMessage;
};

/** @param streamCreatedAt When the stream was made, in milliseconds since 1970. */
export type ToMessage = (message: Msg, streamCreatedAt: number) => ReceivedMessage;

/** Where messages go. */
export interface MessageSink {
  /** How many messages may come now. */
  capacity(): number;
  /** Called with more messages than there is capacity only after a reconnect, if the server still serves pulls of before. */
  onMessage(message: ReceivedMessage): void;
}

/** Before the start, nothing may come. */
const NO_SINK: MessageSink = { capacity: () => 0, onMessage: () => {} };

export interface PullConsumer {
  /** Pulls, and gives every message to the sink. */
  start(sink: MessageSink): void;
  /** Tells that a slot became free. */
  onSlotFreed(): void;
  /** No new pulls; resolves when every message that was already on its way has been taken, and nothing is left behind. */
  stop(): Promise<void>;
  /** What is asked for and has not come. */
  credits(): number;
  /** What is asked for and may come any moment: nothing, where nothing has come for a while. */
  expectedSoon(): number;
  /** Asks at once, since what kept pulls from being answered is mended. */
  retry(): void;
  /** Null while pulls are answered; else what the server said last, for health. */
  problem(): string | null;
}

/**
 * How long the server keeps a pull that it cannot fill, in milliseconds. Short, so that a pull that was lost (an
 * election, a broken link) is missed soon; an idle worker sends one small request in this time.
 */
const EXPIRES_MS = 3000;
/** A freed slot waits this long for company, unless an eighth of all that is asked for at once has gathered. */
const COALESCE_MS = 5;
/** Wait after a pull was turned away, so that a stream without a leader is not asked in a loop. */
const BACKOFF: BackoffOptions = { initialMs: 100, maxMs: 2000 };
const NOBODY = 'nobody answers: no such consumer, no leader, or JetStream is off or out of disk';
const MAX_PULLS = 16;
/** What is asked for has come within this time where there is any, in milliseconds. */
const EXPECTED_MS = 100;

/**
 * The pull loop: asks for as many messages as there are free slots, and never for more. What was asked for and has not
 * come is a credit, counted exactly: the server says when it gives up on a pull, and one that it never answers
 * ends with its time. So nothing waits here without a slot, whatever happens to the connection or the event loop.
 */
export function createPullConsumer(client: NatsClient, options: PullOptions): PullConsumer {
  const subject = `${client.apiPrefix}.CONSUMER.MSG.NEXT.${options.stream}.${options.durable}`;
  const { maxPulls = MAX_PULLS, toMessage = publishedMessage } = options;
  let sink = NO_SINK;
  let pulls: PullRequests | undefined;
  let timer: NodeJS.Timeout | undefined;
  let wakesAt = Number.POSITIVE_INFINITY;
  let notBefore = 0;
  let refusals = 0;
  let stopped = false;
  let stopListening = () => {};
  let verified: 'yes' | 'no' | 'asking' = 'yes';
  let problem: string | null = null;
  let cameAt = Number.NEGATIVE_INFINITY;

  const credits = () => pulls?.credits ?? 0;

  function ask(): void {
    if (pulls === undefined || stopped || !client.isConnected()) return;
    if (pulls.closeOverdue()) problem = 'pulls are not answered';
    const now = performance.now();
    if (now < notBefore) {
      wakeWithin(notBefore - now);
      return;
    }
    if (verified === 'no') void verifyConsumer();
    if (verified !== 'yes') return;
    const free = sink.capacity();
    if (wantsMore(free)) {
      const expiresMs = Math.min(EXPIRES_MS, options.limits().expiresMs ?? EXPIRES_MS);
      pulls.request(free - pulls.credits, maxBatch(), expiresMs);
    }
    if (pulls.nextEnd !== null) wakeWithin(pulls.nextEnd - now);
  }

  async function verifyConsumer(): Promise<void> {
    verified = 'asking';
    verified = (await options.verify()) ? 'yes' : 'no';
    if (verified === 'no') backOff();
    ask();
  }

  function maxBatch(): number {
    return Math.min(options.maxBatch, options.limits().batch ?? options.maxBatch);
  }

  /** Fewer, larger pulls: while half of the free slots are asked for already, more would only litter the server. */
  function wantsMore(free: number): boolean {
    return credits() < free && credits() <= free / 2;
  }

  /** Asks at once where that is worth a pull of its own, else soon. */
  function consider(): void {
    const free = sink.capacity();
    if (!wantsMore(free)) return;
    if (free - credits() >= maxBatch() / 8) ask();
    else wakeWithin(COALESCE_MS);
  }

  /** Asks again after this time, or earlier where that is planned already. */
  function wakeWithin(ms: number): void {
    if (stopped) return;
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

  function onMessage(message: Msg): void {
    answered();
    cameAt = performance.now();
    sink.onMessage(toMessage(message, options.streamCreatedAt()));
    consider();
  }

  function onStatus(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 404 || code === 408) answered();
    else {
      problem = `${code} ${message.headers?.description || NOBODY}`;
      invalidate();
      backOff();
    }
    wakeWithin(COALESCE_MS);
  }

  function backOff(): void {
    refusals += 1;
    notBefore = performance.now() + backoff(BACKOFF, refusals);
  }

  function invalidate(): void {
    if (verified === 'yes') verified = 'no';
  }

  function answered(): void {
    problem = null;
    refusals = 0;
    notBefore = 0;
  }

  function onReconnect(): void {
    // The server may have forgotten the pulls of the old connection. If it has not, it may bring more than there is capacity for.
    pulls?.closeAll();
    invalidate();
    retry();
  }

  function retry(): void {
    refusals = 0;
    notBefore = 0;
    ask();
  }

  return {
    start(messages) {
      sink = messages;
      stopListening = client.listen({ onReconnect });
      const onError = (error: Error) => {
        problem = error.message;
      };
      pulls = new PullRequests(client, subject, maxPulls, { onMessage, onStatus, onError });
      ask();
    },
    onSlotFreed: consider,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      stopListening();
      // Drained, not cut: what the server has already sent still arrives, and is settled.
      await pulls?.unsubscribe();
    },
    credits,
    expectedSoon: () => (performance.now() - cameAt > EXPECTED_MS ? 0 : credits()),
    retry,
    problem: () => problem,
  };
}
