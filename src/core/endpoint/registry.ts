import { nameInKey, partsOfKey } from '../request/target.ts';
import { lastToken } from '../subject.ts';
import { isPattern, SubjectTree } from '../subject-tree.ts';
import type { Endpoint } from './endpoint.ts';

const NONE: readonly Endpoint[] = [];

/**
 * The endpoints of `rule_webhooks`, one per row. A row is identified by its id: the digits in the key of an endpoint are only a
 * hash of it, and two of 100,000 rows have the same digits more often than not.
 */
export class Registry {
  readonly #byId = new Map<number, Endpoint>();
  readonly #byName = new Map<string, Endpoint>();
  /** Of names that their key shows differently, by what their key shows. Several names may give the same text. */
  readonly #byNameInKey = new Map<string, Endpoint[]>();
  readonly #byDigits = new Map<number, Endpoint | Endpoint[]>();
  /** In the order of their ids, as all lists here. */
  readonly #bySubject = new Map<string, Endpoint[]>();
  readonly #byPattern = new SubjectTree<Endpoint>();
  #limited = 0;

  constructor(endpoints: Iterable<Endpoint> = []) {
    for (const endpoint of endpoints) this.put(endpoint);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** True if a row sets a cap or a rate. */
  get hasLimits(): boolean {
    return this.#limited > 0;
  }

  /** Adds the endpoint of a row, in place of the one that was made of an earlier version of the row. */
  put(endpoint: Endpoint): void {
    this.delete(endpoint.row.id);
    const twins = this.#withDigits(endpoint.digits).filter((one) => one.sharedKey === endpoint.sharedKey);
    const hasOwnKey = twins.some(({ row }) => row.id < endpoint.row.id);
    // The row with the lowest id keeps the key, so that all workers name the endpoints alike.
    for (const twin of twins) {
      if (twin.key !== twin.sharedKey || hasOwnKey) continue;
      this.delete(twin.row.id);
      this.#add(twin.withOwnKey());
    }
    this.#add(hasOwnKey ? endpoint.withOwnKey() : endpoint);
  }

  /**
   * Removes the endpoint of a row. Another row that had the same key keeps the id in its key here, while a worker that reads the rows
   * anew names it without the id. That hurts no copy: whichever of the two keys a queue has, `byQueueKey` finds the row, by the id in
   * the copy or in the key, or by the digits, which only this row has now. Until the row changes or the worker restarts, the two
   * workers have a limiter and a parked queue each for this endpoint. To rename the endpoint here would take the state of its limiter.
   *
   * @returns The removed endpoint.
   */
  delete(id: number): Endpoint | undefined {
    const endpoint = this.#byId.get(id);
    if (endpoint === undefined) return undefined;
    const { natsSubject, name } = endpoint.row;
    this.#byId.delete(id);
    if (isLimited(endpoint)) this.#limited--;
    // Another row may have this name already, because rows change one after the other.
    if (this.#byName.get(name) === endpoint) this.#byName.delete(name);
    const shown = nameInKey(name);
    if (shown !== name) takeFrom(this.#byNameInKey, shown, endpoint);
    const others = this.#withDigits(endpoint.digits).filter((one) => one !== endpoint);
    if (others.length === 0) this.#byDigits.delete(endpoint.digits);
    else this.#byDigits.set(endpoint.digits, others.length === 1 ? others[0]! : others);
    if (natsSubject === null) return endpoint;
    if (isPattern(natsSubject)) this.#byPattern.delete(natsSubject, endpoint);
    else takeFrom(this.#bySubject, natsSubject, endpoint);
    return endpoint;
  }

  /**
   * The endpoints whose `nats_subject` matches; if there are none, the endpoint named like the subject's last token. The list is
   * valid until the next change of the registry.
   */
  find(subject: string): readonly Endpoint[] {
    const exact = this.#bySubject.get(subject) ?? NONE;
    const wild = this.#byPattern.match(subject);
    if (wild.length > 0) return [...exact, ...wild.sort((a, b) => a.row.id - b.row.id)];
    if (exact.length > 0) return exact;
    const named = this.#byName.get(lastToken(subject));
    return named === undefined ? NONE : [named];
  }

  byId(id: number): Endpoint | undefined {
    return this.#byId.get(id);
  }

  byKey(key: string): Endpoint | undefined {
    const parts = partsOfKey(key);
    return parts === null
      ? undefined
      : this.#withDigits(digitsOf(parts.digits)).find((endpoint) => endpoint.key === key);
  }

  /**
   * The endpoint whose parked queue has this key: by the key, also if the endpoint was renamed, because the digits at the end of the
   * key depend only on the row's id; or an endpoint that was deleted and registered again with the same name.
   *
   * @param id The id of the row, as its copy says it; null for a copy of a worker that did not store it.
   */
  byQueueKey(key: string, id: number | null = null): Endpoint | undefined {
    const parts = partsOfKey(key);
    if (parts === null) return undefined;
    const { digits, shown } = parts;
    const knownId = id ?? parts.id;
    if (knownId !== null) return this.#byId.get(knownId) ?? this.#byShownName(shown);
    const alike = this.#withDigits(digitsOf(digits));
    // Several rows have these digits: without an id nothing tells which of them it is, unless the whole key does.
    return this.byKey(key) ?? (alike.length === 1 ? alike[0] : undefined) ?? this.#byShownName(shown);
  }

  /** In the order of the rows' last changes. */
  endpoints(): IterableIterator<Endpoint> {
    return this.#byId.values();
  }

  #add(endpoint: Endpoint): void {
    const { id, natsSubject, name } = endpoint.row;
    this.#byId.set(id, endpoint);
    if (isLimited(endpoint)) this.#limited++;
    this.#byName.set(name, endpoint);
    const shown = nameInKey(name);
    if (shown !== name) addTo(this.#byNameInKey, shown, endpoint);
    const alike = this.#withDigits(endpoint.digits);
    this.#byDigits.set(endpoint.digits, alike.length === 0 ? endpoint : [...alike, endpoint]);
    if (natsSubject === null) return;
    if (isPattern(natsSubject)) this.#byPattern.add(natsSubject, endpoint);
    else addTo(this.#bySubject, natsSubject, endpoint);
  }

  #withDigits(digits: number): readonly Endpoint[] {
    const found = this.#byDigits.get(digits);
    if (found === undefined) return NONE;
    return Array.isArray(found) ? found : [found];
  }

  /** Undefined if the text in a key identifies no endpoint, or several. */
  #byShownName(shown: string): Endpoint | undefined {
    const exact = this.#byName.get(shown);
    const others = this.#byNameInKey.get(shown) ?? NONE;
    // A name that its key shows as it is would be found twice only if it were in both.
    const found = exact !== undefined && nameInKey(shown) === shown ? [exact, ...others] : others;
    return found.length === 1 ? found[0] : undefined;
  }
}

function isLimited({ row }: Endpoint): boolean {
  return row.maxConcurrency !== null || row.rateLimit !== null;
}

function digitsOf(hex: string): number {
  return Number.parseInt(hex, 16) | 0;
}

/** Adds to a list in the order of ids. In place, because thousands of rows may have one subject. */
function addTo(lists: Map<string, Endpoint[]>, key: string, endpoint: Endpoint): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [endpoint]);
  else list.splice(indexIn(list, endpoint), 0, endpoint);
}

function takeFrom(lists: Map<string, Endpoint[]>, key: string, endpoint: Endpoint): void {
  const list = lists.get(key);
  if (list === undefined) return;
  const index = indexIn(list, endpoint);
  if (list[index] === endpoint) list.splice(index, 1);
  if (list.length === 0) lists.delete(key);
}

/** Where the endpoint is in a list that is ordered by ids, or belongs. */
function indexIn(list: readonly Endpoint[], { row }: Endpoint): number {
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (list[middle]!.row.id < row.id) low = middle + 1;
    else high = middle;
  }
  return low;
}
