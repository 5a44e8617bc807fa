import type { Attempt, Outcome } from '../core/attempt.ts';
import type { Delivery } from '../core/delivery.ts';
import type { Parsed } from '../core/envelope.ts';
import { decide, type RetryPolicy, type Verdict } from '../core/verdict.ts';
import type { Message } from './message.ts';
import { isUnsendable, resolve, type Unsendable } from './resolve.ts';

/** What the journey needs from outside. */
export interface Surroundings<M extends Message> {
  readonly policy: RetryPolicy;
  parse(message: M): Parsed;
  /** One HTTP request. Never throws: what went wrong is an outcome. */
  send(delivery: Delivery): Promise<Attempt>;
  /** Does what was decided, and says what was done: a dead letter that cannot be stored is handed back. */
  settle(message: M, delivery: Delivery | Unsendable, attempt: Attempt, verdict: Verdict): Promise<Verdict>;
  record(message: M, delivery: Delivery | Unsendable, attempt: Attempt, done: Verdict): void;
  now(): number;
  random(): number;
}

/** The journey of a message, from its bytes to the word that ends this hand-out. */
export async function handleMessage<M extends Message>(message: M, around: Surroundings<M>): Promise<void> {
  const parsed = around.parse(message);
  const delivery = resolve(parsed, message);
  const attempt = await attemptOnce(delivery, message, around);
  const verdict = decide(attempt, message.handOuts, around.policy, around.random());
  const done = await around.settle(message, delivery, attempt, verdict);
  around.record(message, delivery, attempt, done);
}

async function attemptOnce<M extends Message>(
  delivery: Delivery | Unsendable,
  message: M,
  around: Surroundings<M>,
): Promise<Attempt> {
  if (isUnsendable(delivery)) return notSent(delivery.outcome, around.now());
  // The hand-outs before were lost with their workers, and may have been sent: never more than maxAttempts requests.
  const lost = message.handOuts - 1;
  if (lost >= around.policy.maxAttempts) return notSent({ kind: 'spent', handOuts: lost }, around.now());
  return around.send(delivery);
}

function notSent(outcome: Outcome, now: number): Attempt {
  return { outcome, startedAt: now, durationMs: 0 };
}
