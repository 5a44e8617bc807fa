import { type IdScope, idOfKey, idPrefix, messageIdOf, newId } from '../core/ingest/webhook-id.ts';
import { LruMap } from '../core/lru-map.ts';
import { type ComposedWebhook, composeWebhook, type WebhookParts } from '../core/message/compose.ts';
import { type Held, heldFor, requiredFeatures } from '../core/message/required-features.ts';
import type { LiveInstance } from '../core/records/worker-instance.ts';
import type { Problem } from '../runtime/problem.ts';
import type { KeyMemory } from './key-memory.ts';
import {
  asSentence,
  INGEST_PROBLEMS,
  invalidProblem,
  notStoredProblem,
  unconfirmedProblem,
} from './problems.ts';
import type { StoreOutcome, WebhookStore } from './store.ts';

/** A webhook that came over HTTP, checked. */
export type WebhookRequest = {
  readonly parts: WebhookParts;
  /** Whose ids the key belongs to. */
  readonly scope: IdScope;
  /** Null: the webhook gets a new id. */
  readonly key: string | null;
  /** True: the caller gave the key. False: it is made of fields of the body. */
  readonly isOwnKey: boolean;
  /** What a repetition under the same key must be equal to. */
  readonly body: Uint8Array;
};

/** The webhook is stored. */
export type Receipt = {
  readonly name: string;
  readonly id: string;
  readonly stream: string;
  readonly sequence: number;
  readonly duplicate: boolean;
};

export type Answer = { readonly receipt: Receipt } | { readonly problem: Problem };

/** What is written down of an accepted webhook. */
export type AcceptedWebhook = {
  readonly id: string;
  readonly name: string;
  readonly eventType: string | null;
  readonly eventId: string | null;
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
};

export type AcceptorOptions = {
  readonly store: WebhookStore;
  /** What stands before the name in the subject. */
  readonly subjectPrefix: string;
  readonly keys: KeyMemory;
  /** The live workers of the group; null: not known. */
  readonly liveWorkers: () => readonly Pick<LiveInstance, 'name' | 'features'>[] | null;
  readonly onAccepted: (webhook: AcceptedWebhook) => void;
  readonly now: () => number;
  /** At least 16 random bytes. */
  readonly random: () => Uint8Array;
};

const PREFIXES_KEPT = 10_000;
const LONGEST_PREFIX_KEY = 600;

/** Gives a webhook its id, and stores it. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #prefixes = new LruMap<{ readonly text: string }>(PREFIXES_KEPT, LONGEST_PREFIX_KEY);

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  async accept(request: WebhookRequest): Promise<Answer> {
    const { subjectPrefix, keys, store } = this.#options;
    const { parts, key, isOwnKey } = request;
    const id = this.#idOf(request);
    const composed = composeWebhook(parts, {
      prefix: subjectPrefix,
      deliveryId: id,
      messageId: messageIdOf(id),
    });
    if ('invalid' in composed) return { problem: invalidProblem([asPointed(composed.invalid)]) };
    const held = this.#heldFor(composed);
    if (held !== null) return { problem: heldProblem(held) };
    const claim = key === null ? 'same' : keys.claim(id, request.body);
    if (claim === 'other') return { problem: REUSED };
    const outcome = await store.publish(composed.subject, composed.body, composed.headers);
    if (outcome.kind === 'notStored' && claim === 'new') keys.forget(id);
    if (outcome.kind === 'stored' && !outcome.duplicate) this.#noteAccepted(request, id, outcome.sequence);
    return answerOf(outcome, parts.name, id, isOwnKey && key !== id);
  }

  #idOf({ scope, key }: WebhookRequest): string {
    const known = `${scope.tenant}\n${scope.name}`;
    let prefix = this.#prefixes.get(known);
    if (prefix === undefined) {
      prefix = { text: idPrefix(scope) };
      this.#prefixes.set(known, prefix);
    }
    return key === null ? newId(prefix.text, this.#options.random()) : idOfKey(prefix.text, scope, key);
  }

  #heldFor({ headers, body }: Exclude<ComposedWebhook, { invalid: unknown }>): Held | null {
    const required = requiredFeatures(headers, body);
    return required.length === 0 ? null : heldFor(this.#options.liveWorkers(), required);
  }

  #noteAccepted({ parts }: WebhookRequest, id: string, sequence: number): void {
    const { name, eventType = null, eventId = null } = parts;
    this.#options.onAccepted({ id, name, eventType, eventId, sequence, receivedAt: this.#options.now() });
  }
}

const REUSED: Problem = {
  kind: INGEST_PROBLEMS.keyReused,
  detail:
    'Another body was accepted under this idempotency key. Use a new key for another webhook, or repeat the same body.',
};

/** How long a caller waits for workers of the new version, in seconds. */
const HELD_RETRY_S = 10;

function heldProblem({ detail }: Held): Problem {
  return {
    kind: INGEST_PROBLEMS.oldWorkers,
    detail: asSentence(detail),
    retryAfterSeconds: HELD_RETRY_S,
  };
}

function answerOf(outcome: StoreOutcome, name: string, id: string, hasKey: boolean): Answer {
  switch (outcome.kind) {
    case 'stored': {
      const { stream, sequence, duplicate } = outcome;
      return { receipt: { name, id, stream, sequence, duplicate } };
    }
    case 'notStored':
      return { problem: notStoredProblem(outcome.why, outcome.detail) };
    case 'unconfirmed':
      return { problem: unconfirmedProblem(outcome.detail, id, hasKey) };
  }
}

function asPointed({ pointer, detail }: { readonly pointer: string; readonly detail: string }) {
  return { pointer, detail: asSentence(detail) };
}
