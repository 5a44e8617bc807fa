import { silentLimit } from '../../core/capacity/cap-share.ts';
import { isHostFailure, type LimiterSignal } from '../../core/capacity/limiter-signal.ts';
import {
  isMergedAgain,
  isSplitOff,
  MAX_SPLIT,
  type UrlRecord,
  UrlRecords,
} from '../../core/capacity/url-split.ts';
import { endpointKey, ofUrl, type Target } from '../../core/request/target.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { GrantedPermit } from './granted-permit.ts';
import { hasTrouble, type TrackedEndpoint } from './tracked-endpoint.ts';
import type { TrackedEndpoints } from './tracked-endpoints.ts';

type Split = {
  readonly endpoint: TrackedEndpoint;
  readonly originKey: string;
  readonly url: string;
  /** When the URL last had trouble or parked messages, on the clock of `AdmissionOptions`. */
  troubledAt: number;
};

/** A hung attempt that counts for another endpoint from now on. */
export type Move = { readonly permit: GrantedPermit; readonly to: TrackedEndpoint };

const NO_MOVES: readonly Move[] = [];

/**
 * The URLs that are endpoints of their own for a while, because they fail or hang while other URLs of their origin succeed. Only for
 * messages that name their URL, with ENDPOINT_KEY=auto. Workers need not agree: a copy in the queue of a URL tells a worker that a
 * peer has split the URL off.
 */
export class SplitUrls {
  readonly #endpoints: Pick<TrackedEndpoints, 'ensure'>;
  readonly #log: Pick<Logger, 'info'>;
  readonly #records = new UrlRecords();
  readonly #byOrigin = new Map<string, Map<string, Split>>();
  readonly #byKey = new Map<string, Split>();
  readonly #moves: Move[] = [];

  constructor(endpoints: Pick<TrackedEndpoints, 'ensure'>, log: Pick<Logger, 'info'>) {
    this.#endpoints = endpoints;
    this.#log = log;
  }

  /**
   * The target with the key of the endpoint that it belongs to now: its origin, or its URL.
   *
   * @param parkedKey Key of the endpoint whose parked queue held the message; null: none.
   */
  targetFor(target: Target, parkedKey: string | null, now: number): Target {
    const { unit, endpointKey: originKey, hostname } = target;
    if (unit?.keyOf !== 'auto') return target;
    const split = this.#byKey.size === 0 ? undefined : this.#byOrigin.get(originKey)?.get(unit.url);
    if (split !== undefined) return ofUrl(target, split.endpoint.key);
    if (parkedKey === null || parkedKey === originKey) return target;
    const key = endpointKey(unit.url, hostname);
    if (parkedKey !== key || !this.#hasRoom(originKey)) return target;
    const own = ofUrl(target, key);
    this.#split(own, this.#records.get(originKey, unit.url, now), now);
    return own;
  }

  /** Takes what an attempt says of its URL. Called before the limiter of the endpoint takes it. */
  onReleased(permit: GrantedPermit, signal: LimiterSignal, now: number): void {
    const { endpoint, target, silent } = permit;
    silent?.silent.delete(permit);
    if (signal === 'success') {
      endpoint.origin?.successes.note(target.unit?.url ?? endpoint.key, now);
      if (target.unit?.keyOf === 'auto')
        this.#records.get(endpoint.key, target.unit.url, now)?.run.onSuccess(permit.number);
      return;
    }
    // A retry says little of its URL, and a host that is not reached says nothing.
    if (signal === 'ignore' || isHostFailure(signal) || permit.isRetry || !this.#isWhole(permit)) return;
    const record = this.#recordOf(permit, now);
    record.run.onFailure(permit.number);
    this.#splitIfDue(permit, record, now);
  }

  /** Takes the silence about an attempt, while the endpoint answers others. */
  onHung(permit: GrantedPermit, now: number): void {
    const split = this.#splitOf(permit);
    if (split !== undefined) this.#moves.push({ permit, to: split.endpoint });
    if (split !== undefined || permit.isRetry || !this.#isWhole(permit)) return;
    const record = this.#recordOf(permit, now);
    record.silent.add(permit);
    permit.silent = record;
    this.#splitIfDue(permit, record, now);
  }

  /** True if the attempt began at the origin, and its URL has been split off since: then it says nothing of the origin. */
  hasLeft(permit: GrantedPermit): boolean {
    const split = this.#splitOf(permit);
    return split !== undefined && split.endpoint !== permit.endpoint;
  }

  /**
   * Hung attempts at origins whose URLs have been split off: they count for their URLs, or the origin would have no capacity until
   * they time out. Each is returned once.
   */
  takeMoves(): readonly Move[] {
    return this.#moves.length === 0 ? NO_MOVES : this.#moves.splice(0);
  }

  /** Merges URLs that have had no trouble for long with their origins. Call this regularly. */
  merge(now: number): void {
    for (const split of this.#byKey.values()) {
      if (hasTrouble(split.endpoint, now)) split.troubledAt = now;
      else if (isMergedAgain(split.troubledAt, now)) this.#merge(split);
    }
  }

  /** An evicted URL merges. Of an evicted origin, nothing is known any more. */
  onEvicted({ key }: TrackedEndpoint): void {
    this.#records.deleteOrigin(key);
    const split = this.#byKey.get(key);
    if (split !== undefined) this.#merge(split);
  }

  /** True if the message named its URL, and the URL is not split off. */
  #isWhole(permit: GrantedPermit): boolean {
    return (
      permit.target.unit?.keyOf === 'auto' &&
      permit.endpoint.key === permit.target.endpointKey &&
      this.#splitOf(permit) === undefined
    );
  }

  #splitOf({ target: { unit, endpointKey } }: GrantedPermit): Split | undefined {
    return unit?.keyOf === 'auto' ? this.#byOrigin.get(endpointKey)?.get(unit.url) : undefined;
  }

  #recordOf({ endpoint, target }: GrantedPermit, now: number): UrlRecord {
    const { hasSucceeded } = endpoint.limiter.breaker;
    return this.#records.ensure(endpoint.key, target.unit!.url, hasSucceeded, now);
  }

  #splitIfDue({ endpoint, target }: GrantedPermit, record: UrlRecord, now: number): void {
    const { url } = target.unit!;
    const othersSucceededAt = endpoint.origin?.successes.ofOthers(url) ?? Number.NEGATIVE_INFINITY;
    const silent = silentLimit(endpoint.limiter.limits.concurrency);
    if (!isSplitOff(record, silent, othersSucceededAt, now) || !this.#hasRoom(endpoint.key)) return;
    this.#split(ofUrl(target, endpointKey(url, target.hostname)), record, now);
  }

  #hasRoom(originKey: string): boolean {
    const ofOrigin = this.#byOrigin.get(originKey)?.size ?? 0;
    return this.#byKey.size < MAX_SPLIT.ofWorker && ofOrigin < MAX_SPLIT.ofOrigin;
  }

  /**
   * @param own The target with the key of its URL.
   * @param record What is known of the URL; undefined: nothing.
   */
  #split(own: Target, record: UrlRecord | undefined, now: number): void {
    const url = own.unit!.url;
    const originKey = own.unit!.originKey!;
    record?.run.renumber();
    const endpoint = this.#endpoints.ensure(own, record?.run);
    const split: Split = { endpoint, originKey, url, troubledAt: now };
    const ofOrigin = this.#byOrigin.get(originKey) ?? new Map<string, Split>();
    this.#byOrigin.set(originKey, ofOrigin.set(url, split));
    this.#byKey.set(endpoint.key, split);
    this.#records.delete(originKey, url);
    for (const silent of record?.silent ?? [])
      this.#moves.push({ permit: silent as GrantedPermit, to: endpoint });
    record?.silent.clear();
    this.#log.info(fieldsOf(split), 'endpoint.split');
  }

  #merge(split: Split): void {
    const { endpoint, originKey, url } = split;
    this.#byKey.delete(endpoint.key);
    const ofOrigin = this.#byOrigin.get(originKey)!;
    ofOrigin.delete(url);
    if (ofOrigin.size === 0) this.#byOrigin.delete(originKey);
    this.#log.info(fieldsOf(split), 'endpoint.merged');
  }
}

function fieldsOf({ endpoint, url, originKey }: Split) {
  return { endpoint: endpoint.key, url, origin: originKey };
}
