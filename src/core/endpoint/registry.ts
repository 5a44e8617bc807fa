import { endpointKey } from '../request/target.ts';
import type { RetryPolicy } from '../retry/verdict.ts';
import { lastToken, matches } from '../subject.ts';
import { type EndpointRequest, nameOf, requestOf } from './endpoint-request.ts';
import { takes, takesAll } from './event-filter.ts';
import type { EndpointRow } from './row.ts';
import { type Signing, signingOf } from './signature.ts';

/** An endpoint of `rule_webhooks`, checked once and shared by all its deliveries. */
export type Endpoint = {
  readonly row: EndpointRow;
  /** `<name>-<8 hex>`: names the endpoint in subjects, columns and logs. */
  readonly key: string;
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

export type RegistryPolicy = {
  /** The settings, for everything that a row does not set. */
  readonly retries: RetryPolicy;
  /** What the worker does with messages for an endpoint that is not enabled. DISABLED_ENDPOINT. */
  readonly disabled: 'park' | 'dead-letter';
};

export function endpointOf(row: EndpointRow, { retries, disabled }: RegistryPolicy): Endpoint {
  const key = endpointKey(`rule_webhooks:${row.id}`, row.name);
  const signing = signingOf(row.secrets, row.hubSignature);
  return {
    row,
    key,
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

/** Finds the endpoints of a message without a URL. */
export class Registry {
  readonly #bySubject = new Map<string, Endpoint[]>();
  readonly #byPattern: Endpoint[] = [];
  readonly #byName = new Map<string, Endpoint>();
  readonly #byKey = new Map<string, Endpoint>();
  readonly #byHash = new Map<string, Endpoint>();
  readonly #byNameInKey = new Map<string, Endpoint | null>();

  constructor(endpoints: Iterable<Endpoint>) {
    for (const endpoint of endpoints) {
      const { natsSubject, name } = endpoint.row;
      this.#byName.set(name, endpoint);
      this.#byKey.set(endpoint.key, endpoint);
      this.#byHash.set(hashOf(endpoint.key), endpoint);
      const nameInKey = nameOfKey(endpoint.key);
      // Keys of two names may start with the same text. Then this text identifies neither of them.
      this.#byNameInKey.set(nameInKey, this.#byNameInKey.has(nameInKey) ? null : endpoint);
      if (natsSubject === null) continue;
      if (/(^|\.)[*>](\.|$)/.test(natsSubject)) this.#byPattern.push(endpoint);
      else this.#bySubject.set(natsSubject, [...(this.#bySubject.get(natsSubject) ?? []), endpoint]);
    }
  }

  /** The endpoints whose `nats_subject` matches; if there are none, the endpoint named like the subject's last token. */
  find(subject: string): readonly Endpoint[] {
    const exact = this.#bySubject.get(subject) ?? [];
    const wild = this.#byPattern.filter(({ row }) => matches(row.natsSubject!, subject));
    if (exact.length + wild.length > 0) return wild.length === 0 ? exact : [...exact, ...wild];
    const named = this.#byName.get(lastToken(subject));
    return named === undefined ? [] : [named];
  }

  /**
   * The endpoint whose parked queue has this key. Also finds a renamed endpoint, because the hash at the end of the key depends
   * only on the row's id; and an endpoint that was deleted and registered again with the same name.
   */
  byQueueKey(key: string): Endpoint | undefined {
    return (
      this.#byKey.get(key) ??
      this.#byHash.get(hashOf(key)) ??
      this.#byNameInKey.get(nameOfKey(key)) ??
      undefined
    );
  }

  byKey(key: string): Endpoint | undefined {
    return this.#byKey.get(key);
  }

  endpoints(): IterableIterator<Endpoint> {
    return this.#byKey.values();
  }
}

function nameOfKey(key: string): string {
  return key.slice(0, key.lastIndexOf('-'));
}

function hashOf(key: string): string {
  return key.slice(key.lastIndexOf('-') + 1);
}
