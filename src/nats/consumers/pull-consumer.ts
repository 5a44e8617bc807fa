import type { Msg } from 'nats';
import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import type { NatsClient } from '../connection/client.ts';
import { publishedMessage, type ReceivedMessage } from '../messages/received-message.ts';
import type { PullLimits } from './group-consumer.ts';
import { MissingBodies } from './missing-bodies.ts';
import { PullRequests } from './pull-requests.ts';

export type PullOptions = {
  readonly stream: string;
  readonly durable: string;
  /** When the stream was created, in milliseconds since 1970. A new value means that the stream was recreated. */
  streamCreatedAt(): number;
  /** The most messages that one pull request asks for. */
  readonly maxBatch: number;
  /** The limits of the durable. */
  limits(): PullLimits;
  /**
   * True if stream and durable are still the known ones. Called after the server rejected a pull request and after a
   * reconnect, before the next pull request: a recreated stream or durable restarts its sequences.
   */
  verify(): Promise<boolean>;
  /**
   * How many pull requests may be open at once, each with its own inbox. A few large ones carry all messages, and the number
   * bounds the pull requests that wait on the server. Below: the consumer sends another request when it needs messages. At the
   * limit: the consumer sends no request until one ends.
   * @default 16
   */
  readonly maxPulls?: number;
  /** Reads a message of this durable. @default as a message of a stream that publishers write to */
  readonly toMessage?: ToMessage;
};

/** @param streamCreatedAt When the stream was made, in milliseconds since 1970. */
export type ToMessage = (message: Msg, streamCreatedAt: number) => ReceivedMessage;

/** Takes the messages of a consumer. */
export interface MessageSink {
  /** How many messages may come now. */
  capacity(): number;
  /** Comes without capacity only after a reconnect, if the server still answers pull requests of the old connection. */
  onMessage(message: ReceivedMessage): void;
}

/** Before the start, nothing may come. */
const NO_SINK: MessageSink = { capacity: () => 0, onMessage: () => {} };

export interface PullConsumer {
  /** Begins to pull. Every message goes to the sink. */
  start(sink: MessageSink): void;
  /** The sink calls this when a slot becomes free. */
  onSlotFreed(): void;
  /** Ends the pull requests. Resolves when the sink has every message that the server had sent, and all inboxes are closed. */
  stop(): Promise<void>;
  /** Messages that are requested and have not arrived, or wait for their bodies. */
  credits(): number;
  /** Requested messages that may arrive at any moment. 0 if no message has arrived for 100 ms. */
  expectedSoon(): number;
  /** Sends a pull request at once. Call it when the cause of rejected or unanswered requests is repaired. */
  retry(): void;
  /** True if messages were given back unsent: then their delivery counts do not tell how often they were sent. */
  hasGivenBack(): boolean;
  /** Null while the server answers pull requests, else its last error, for /health. */
  problem(): string | null;
}

/**
 * How long the server keeps a pull request that it cannot fill, in milliseconds. Below: an idle worker sends more small
 * requests; it sends one per this time. Above: a request that was lost (an election, a broken connection) is noticed later.
 */
const EXPIRES_MS = 3000;
/**
 * How long a freed slot waits until more slots are free, so that one pull request serves several, in milliseconds. The request is
 * sent at once if the free slots are at least an eighth of the largest batch.
 */
const COALESCE_MS = 5;
/** Wait after a rejected pull request, in milliseconds, doubled each time: a stream without a leader is not asked in a loop. */
const BACKOFF: BackoffOptions = { initialMs: 100, maxMs: 2000 };
const NOBODY = 'nobody answers: no such consumer, no leader, or JetStream is off or out of disk';
const MAX_PULLS = 16;
/** A requested message arrives within this time if the stream has one, in milliseconds. */
const EXPECTED_MS = 100;

/**
 * The pull loop: requests as many messages as there are free slots, and never more. A message that is requested and has not
 * arrived is a credit. Credits are counted exactly: the server reports when it ends a pull request, and a request that it never
 * answers ends with its time. So no message waits here without a slot, whatever happens to the connection or the event loop.
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

  const pass = (message: Msg) => sink.onMessage(toMessage(message, options.streamCreatedAt()));
  const bodies = new MissingBodies(client, options.stream, pass);
  const credits = () => (pulls?.credits ?? 0) + bodies.pending;

  function ask(): void {
    if (pulls === undefined || stopped || !client.isConnected()) return;
    if (pulls.closeOverdue()) problem = 'pull requests are not answered';
    const now = performance.now();
    const waitsUntil = Math.max(notBefore, bodies.blockedUntil);
    if (now < waitsUntil) {
      wakeWithin(waitsUntil - now);
      return;
    }
    if (verified === 'no') void verifyConsumer();
    if (verified !== 'yes') return;
    const free = sink.capacity();
    if (wantsMore(free)) {
      const expiresMs = Math.min(EXPIRES_MS, options.limits().expiresMs ?? EXPIRES_MS);
      pulls.request(free - credits(), maxBatch(), expiresMs);
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

  /** Fewer, larger pull requests: while half of the free slots are requested already, another request only costs the server. */
  function wantsMore(free: number): boolean {
    return credits() < free && credits() <= free / 2;
  }

  /** Sends a pull request at once if enough slots are free, else after COALESCE_MS. */
  function consider(): void {
    const free = sink.capacity();
    if (!wantsMore(free)) return;
    if (free - credits() >= maxBatch() / 8) ask();
    else wakeWithin(COALESCE_MS);
  }

  /** Calls `ask` after this time, or earlier if an earlier call is planned already. */
  function wakeWithin(ms: number): void {
    if (stopped) return;
    const at = performance.now() + ms;
    if (at >= wakesAt) return;
    clearTimeout(timer);
    wakesAt = at;
    timer = setTimeout(() => {
      wakesAt = Number.POSITIVE_INFINITY;
      // First the client reads what has arrived: after a stalled event loop, that may answer pull requests that look overdue.
      setImmediate(ask);
    }, ms);
  }

  function onMessage(message: Msg): void {
    answered();
    cameAt = performance.now();
    if (!bodies.complete(message, consider)) pass(message);
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
    // The server may have dropped the pull requests of the old connection. If it still answers them, the messages for which no
    // slot is free are requeued.
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
        backOff();
        wakeWithin(COALESCE_MS);
      };
      pulls = new PullRequests(client, subject, maxPulls, { onMessage, onStatus, onError });
      ask();
    },
    onSlotFreed: consider,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      stopListening();
      // Drains the subscriptions instead of ending them at once: messages that the server has sent still arrive and are settled.
      await pulls?.unsubscribe();
      await bodies.finished();
    },
    credits,
    expectedSoon: () => (performance.now() - cameAt > EXPECTED_MS ? 0 : credits()),
    retry,
    hasGivenBack: () => bodies.hasGivenBack,
    problem: () => problem ?? bodies.problem,
  };
}
