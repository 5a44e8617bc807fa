import { keyDigits, nameInKey } from '../request/target.ts';
import type { RetryPolicy } from '../retry/verdict.ts';
import { type EndpointRequest, nameOf, requestOf } from './endpoint-request.ts';
import { takes, takesAll } from './event-filter.ts';
import type { EndpointRow } from './row.ts';
import { type Signing, signingOf } from './signature.ts';

export type RegistryPolicy = {
  /** The settings, for everything that a row does not set. */
  readonly retries: RetryPolicy;
  /** What the worker does with messages for an endpoint that is not enabled. DISABLED_ENDPOINT. */
  readonly disabled: 'park' | 'dead-letter';
};

/** What a row asks for, checked. */
type Compiled = {
  readonly policy: RetryPolicy;
  /** HTTP statuses that count as delivered in addition to 2xx. */
  readonly successStatuses: ReadonlySet<number>;
  readonly signing: Signing | null;
  /** The request that the row asks for, or what is wrong with the row. */
  readonly request:
    | EndpointRequest
    | { readonly kind: 'malformed'; readonly detail: string }
    | { readonly kind: 'forbidden'; readonly detail: string }
    | { readonly kind: 'disabled'; readonly detail: string };
};

/**
 * How many endpoints keep what was compiled of their row, about 2 KB each. With fewer, a row in constant use is compiled more often;
 * with more, a large registry needs more memory.
 */
const MOST_KEPT = 10_000;

/**
 * An endpoint of `rule_webhooks`. The row is checked when a delivery first needs it, and the result is shared by all deliveries:
 * a registry may have 100,000 rows, and most of them need the memory only rarely.
 */
export class Endpoint {
  /** The endpoints that keep what was compiled, of the whole process. The older half is forgotten at once: no use is noted. */
  static #younger: Endpoint[] = [];
  static #older: Endpoint[] = [];

  readonly row: EndpointRow;
  readonly #policy: RegistryPolicy;
  readonly #hasOwnKey: boolean;
  /** The hex digits at the end of the key, as a 32-bit number with sign, which takes the least memory. */
  readonly digits: number;
  #key: string | null = null;
  #compiled: Compiled | null = null;

  constructor(row: EndpointRow, policy: RegistryPolicy, hasOwnKey = false) {
    this.row = row;
    this.#policy = policy;
    this.#hasOwnKey = hasOwnKey;
    this.digits = Number.parseInt(keyDigits(`rule_webhooks:${row.id}`), 16) | 0;
  }

  /**
   * `<name>-<8 hex>`: names the endpoint in subjects, columns and logs. The digits depend only on the row's id. Two rows may have
   * the same key; then the row with the higher id has `<name>-<8 hex>-id<id>`.
   */
  get key(): string {
    this.#key ??= this.#makeKey();
    return this.#key;
  }

  /** The key without the id. */
  get sharedKey(): string {
    return `${nameInKey(this.row.name)}-${(this.digits >>> 0).toString(16).padStart(8, '0')}`;
  }

  /** The same endpoint, with its id in its key, because another row has the same key. */
  withOwnKey(): Endpoint {
    return new Endpoint(this.row, this.#policy, true);
  }

  get policy(): RetryPolicy {
    return this.#kept().policy;
  }

  get successStatuses(): ReadonlySet<number> {
    return this.#kept().successStatuses;
  }

  get signing(): Signing | null {
    return this.#kept().signing;
  }

  get request(): Compiled['request'] {
    return this.#kept().request;
  }

  /** What is wrong with the row; null if it is correct. Keeps nothing, so that all rows can be checked one after the other. */
  problem(): string | null {
    const { request } = this.#compiled ?? this.#compile(this.#key ?? this.#makeKey());
    return request.kind === 'request' || request.kind === 'disabled' ? null : request.detail;
  }

  #kept(): Compiled {
    if (this.#compiled === null) {
      this.#compiled = this.#compile(this.key);
      Endpoint.#younger.push(this);
      if (Endpoint.#younger.length >= MOST_KEPT / 2) Endpoint.#forgetOlder();
    }
    return this.#compiled;
  }

  static #forgetOlder(): void {
    for (const endpoint of Endpoint.#older) endpoint.#compiled = null;
    Endpoint.#older = Endpoint.#younger;
    Endpoint.#younger = [];
  }

  #makeKey(): string {
    return this.sharedKey + (this.#hasOwnKey ? `-id${this.row.id}` : '');
  }

  #compile(key: string): Compiled {
    const { row } = this;
    const { retries, disabled } = this.#policy;
    const signing = signingOf(row.secrets, row.hubSignature);
    return {
      policy: policyOfRow(row, retries),
      successStatuses: new Set(row.successStatuses),
      request:
        !row.enabled && disabled === 'dead-letter'
          ? { kind: 'disabled', detail: `${nameOf(row)}: ${disabledReason(row)}` }
          : typeof signing === 'string'
            ? { kind: 'malformed', detail: `${nameOf(row)}: ${signing}` }
            : requestOf(row, key),
      signing: typeof signing === 'string' ? null : signing,
    };
  }
}

/** The endpoint that a row describes. */
export function endpointOf(row: EndpointRow, policy: RegistryPolicy): Endpoint {
  return new Endpoint(row, policy);
}

/** @param retries The settings, for everything that a row does not set. RETRY_SCHEDULE is only for messages that name their URL. */
export function policyOfRow(
  row: Pick<EndpointRow, 'maxAttempts' | 'retryDelayMs' | 'retryMultiplier' | 'retrySchedule'>,
  retries: RetryPolicy,
): RetryPolicy {
  const { maxMs, retryAfterMaxMs } = retries.backoff;
  return {
    ...retries,
    maxAttempts: row.maxAttempts,
    backoff: {
      baseMs: row.retryDelayMs,
      maxMs,
      multiplier: row.retryMultiplier,
      retryAfterMaxMs,
      ...(row.retrySchedule !== null && { schedule: row.retrySchedule }),
    },
  };
}

/** Why the row is disabled, for a person. */
export function disabledReason({ disabledReason }: EndpointRow): string {
  return disabledReason === null ? 'enabled is false' : `enabled is false: ${disabledReason}`;
}

/** True if the row accepts every event, also an event without a type. */
export function acceptsEveryEvent({ eventTypes }: EndpointRow): boolean {
  return eventTypes === null || eventTypes.some(takesAll);
}

/** True if the row accepts an event of one of these types. */
export function acceptsEvent(row: EndpointRow, types: readonly string[]): boolean {
  if (acceptsEveryEvent(row)) return true;
  return types.some((type) => row.eventTypes!.some((filter) => takes(filter, type)));
}
