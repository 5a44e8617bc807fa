import type { FastifyRequest } from 'fastify';
import { callerAddress } from '../core/ingest/caller-address.ts';
import { CallerRates } from '../core/ingest/caller-rates.ts';
import type { Problem } from '../runtime/problem.ts';
import { type Caller, SIGNER_ID } from './caller.ts';
import { INGEST_PROBLEMS } from './problems.ts';

/** Limits how many webhooks each caller sends: each API key, and without a key each address. */
export class RateCheck {
  readonly #rates: CallerRates;
  readonly #now: () => number;

  /** @param perSecond Above 0. @param now Milliseconds, on a clock that nobody sets. */
  constructor(perSecond: number, now: () => number) {
    this.#rates = new CallerRates(perSecond);
    this.#now = now;
  }

  /** Counts the webhook of a request. @returns null, or why the request is refused. */
  refusal(request: FastifyRequest, caller: Caller): Problem | null {
    const hasKey = isKey(caller);
    const waitMs = this.#rates.take(nameOf(request, caller), this.#now());
    if (waitMs === null) return null;
    const retryAfterSeconds = Math.ceil(waitMs / 1000);
    const who = hasKey ? 'This API key' : 'This address';
    return {
      kind: INGEST_PROBLEMS.tooMany,
      detail:
        `${who} may send ${this.#rates.perSecond} webhooks per second (API_RATE_LIMIT). Nothing of this request was stored; ` +
        `repeat it after ${retryAfterSeconds} s.`,
      retryAfterSeconds,
    };
  }

  /** Counts the other webhooks of a batch. */
  countBatch(request: FastifyRequest, webhooks: number): void {
    const { caller } = request.admitted!;
    this.#rates.add(nameOf(request, caller), Math.max(0, webhooks - 1), this.#now());
  }
}

function nameOf({ ip }: FastifyRequest, caller: Caller): string {
  return isKey(caller) ? caller.id : callerAddress(ip);
}

/** Who signs has no key: anybody could use up the rate of a source with wrong signatures. */
function isKey({ id }: Caller): boolean {
  return id !== '' && id !== SIGNER_ID;
}
