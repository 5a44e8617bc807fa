import { setTimeout as wait } from 'node:timers/promises';
import { type ChaosEndpoint, startChaosEndpoint } from './endpoint.ts';
import type { AcceptedMessage, EndpointRequest, Evidence, Measured } from './evidence.ts';
import type { Flow } from './flows.ts';

/** A message to publish. */
export type ChaosMessage = Pick<AcceptedMessage, 'id' | 'subject' | 'notBefore'> & {
  readonly url: string;
  readonly body: object;
  /** @default in any order */
  readonly orderingKey?: string;
};

/** What became of a message. `id`: its `webhook-id`. */
export type Published =
  /** `isRepeated`: the first answer left open whether it is stored, so it was handed over again, or looked up. */
  | ({ readonly kind: 'accepted'; readonly isRepeated?: boolean } & Pick<
      AcceptedMessage,
      'id' | 'stream' | 'sequence'
    >)
  | { readonly kind: 'refused'; readonly id: string }
  /** It may arrive or not. */
  | { readonly kind: 'unknown' };

/** Hands one message over, until it is known what became of it. */
export type Publish = (message: ChaosMessage) => Promise<Published>;

/** Messages that are published during a fault, and the endpoints that get them. Everything is recorded as evidence. */
export interface ChaosLoad {
  /** When requests of healthy flows were answered with a 2xx, on the clock of `performance.now()`, in this order. */
  readonly arrivals: readonly number[];
  /** The endpoint that changes. */
  readonly changing: ChaosEndpoint;
  /** Which p99 the messages count for that healthy flows publish from now on. During the `control`, other flows publish nothing. */
  measure(measured: Measured | null): void;
  /** Resolves when `more` messages of healthy flows have arrived, or the time is over. */
  arrived(more: number): Promise<void>;
  /** Publishes `count` messages of the first flow at once. */
  burst(count: number): Promise<void>;
  /** Publishes nothing more until `resume`. Resolves when it is known of every message what became of it. */
  quiet(): Promise<void>;
  resume(): void;
  /** Messages that must arrive. */
  accepted(): number;
  /** Accepted messages whose first answer left open whether they are stored. */
  repeated(): number;
  /** Messages that are not accepted. */
  refused(): number;
  /** Requests that were not answered with a 2xx. */
  failed(): number;
  /** Ids of accepted messages that were not answered with a 2xx yet. */
  unanswered(): ReadonlySet<string>;
  /** Resolves when all requests are recorded. Safe to call twice. */
  stop(): Promise<void>;
}

export type ChaosLoadOptions = {
  readonly flows: readonly Flow[];
  /** Messages per second of each flow. */
  readonly rate: number;
  /** MAX_ATTEMPTS of the workers. */
  readonly maxAttempts: number;
  readonly evidence: Pick<Evidence, 'accepted' | 'refused' | 'request'>;
  /** When all waits end, on the clock of `performance.now()`. */
  readonly givesUpAt: number;
};

/** Time between two ticks of the load, in milliseconds. */
const EVERY_MS = 20;
const LOOK_EVERY_MS = 20;
/** If a nats-server or a worker is lost, a scheduled message may be sent this much earlier, in milliseconds (docs/publishing.md). */
const MAY_BE_EARLY_MS = 100;
const ORDERED = /^webhooks\.ordered\.(.+)$/;

export async function startChaosLoad(publish: Publish, options: ChaosLoadOptions): Promise<ChaosLoad> {
  const { flows, rate, maxAttempts, evidence, givesUpAt } = options;
  const answered = new Set<string>();
  const unanswered = new Set<string>();
  const arrivals: number[] = [];
  const inFlight = new Set<Promise<void>>();
  let accepted = 0;
  let repeated = 0;
  let refused = 0;
  let failed = 0;
  let published = 0;
  let ticks = 0;
  let measured: Measured | null = null;
  let paused = false;

  function onRequest(request: EndpointRequest): void {
    evidence.request(request);
    const { id, answer } = request;
    if (answer === null || answer >= 300) failed++;
    else {
      answered.add(id);
      unanswered.delete(id);
      if (!id.startsWith('other')) arrivals.push(performance.now());
    }
  }
  const steady = await startChaosEndpoint(onRequest);
  const changing = await startChaosEndpoint(onRequest);

  function publishTo(flow: Flow, turn: number): void {
    const publishedAt = Date.now();
    const endpoint = (flow.endpoint === 'steady' ? steady.url : changing.url) + inTurn(flow.paths, turn);
    const subject = inTurn(flow.subjects, turn)!;
    const deliverInMs = inTurn(flow.deliverInMs, turn);
    const deliverAt = deliverInMs === undefined ? undefined : publishedAt + deliverInMs;
    const orderingKey = ORDERED.exec(subject)?.[1];
    const message: ChaosMessage = {
      id: `${flow.kind}-${++published}`,
      subject,
      url: endpoint,
      body: flow.body,
      ...(orderingKey !== undefined && { orderingKey }),
      ...(deliverAt !== undefined && { notBefore: deliverAt }),
    };
    const says = {
      subject,
      publishedAt,
      endpoints: [endpoint],
      maxAttempts,
      ...(deliverAt !== undefined && { notBefore: deliverAt - MAY_BE_EARLY_MS }),
      ...(orderingKey !== undefined && { orderedBy: orderingKey }),
      ...(measured !== null && flow.kind === 'healthy' && { measured }),
    };
    const publishing = publish(message)
      .then((result) => {
        if (result.kind !== 'accepted') {
          refused++;
          if (result.kind === 'refused') evidence.refused({ id: result.id, endpoint });
          return;
        }
        const { kind: _, isRepeated = false, ...stored } = result;
        accepted++;
        if (isRepeated) repeated++;
        evidence.accepted({ ...says, ...stored });
        if (!answered.has(stored.id)) unanswered.add(stored.id);
      })
      .finally(() => inFlight.delete(publishing));
    inFlight.add(publishing);
  }

  const timer = setInterval(() => {
    if (paused) return;
    for (let due = (rate * EVERY_MS) / 1000; due > 0; due--, ticks++) {
      for (const flow of flows) if (flow.kind === 'healthy' || measured !== 'control') publishTo(flow, ticks);
    }
  }, EVERY_MS);

  const quiet = async () => {
    paused = true;
    await Promise.all(inFlight);
  };

  return {
    arrivals,
    changing,
    measure(next) {
      measured = next;
    },
    async arrived(more) {
      const goal = arrivals.length + more;
      while (arrivals.length < goal && performance.now() < givesUpAt) await wait(LOOK_EVERY_MS);
    },
    async burst(count) {
      for (let more = 0; more < count; more++) publishTo(flows[0]!, more);
      await Promise.all(inFlight);
    },
    quiet,
    resume() {
      paused = false;
    },
    accepted: () => accepted,
    repeated: () => repeated,
    refused: () => refused,
    failed: () => failed,
    unanswered: () => unanswered,
    async stop() {
      clearInterval(timer);
      await quiet();
      await Promise.all([steady.close(), changing.close()]);
    },
  };
}

/** The item whose turn it is. Undefined only if there are no items. */
function inTurn<T>(items: readonly T[], turn: number): T | undefined {
  return items[turn % items.length];
}
