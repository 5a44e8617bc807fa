import { checkCrossSite } from '../core/access/cross-site.ts';
import { checkHost } from '../core/access/host.ts';
import { allows, type Scopes, whatIsMissing } from '../core/access/scopes.ts';
import type { Problem, ProblemKind } from '../runtime/problem.ts';
import type { ApiKeys, KeyVerdict } from './api-keys.ts';
import { type Access, type Caller, type Need, OPEN, type RequestHead, signerOf } from './caller.ts';

/** The problems of requests that may not be done. */
export const ACCESS_PROBLEMS = {
  noKey: { slug: 'no-key', status: 401, title: 'The request has no valid API key.' },
  notAllowed: { slug: 'not-allowed', status: 403, title: 'The API key does not allow this.' },
  crossSite: { slug: 'cross-site', status: 403, title: 'The request comes from a page of another site.' },
  otherHost: { slug: 'other-host', status: 421, title: 'The server does not answer for this host.' },
  keysUnknown: { slug: 'keys-unknown', status: 503, title: 'The API keys are not known yet.' },
} as const satisfies Record<string, ProblemKind>;

export type AccessOptions = {
  /** Null: API_AUTH=open. */
  readonly keys: Pick<ApiKeys, 'verify' | 'refreshed'> | null;
  /** Origins of our own, as `https://hooks.example.com`. */
  readonly origins: readonly string[];
  readonly now: () => number;
};

const KEYS_RETRY_S = 2;
const NO_KEY: Problem = { kind: ACCESS_PROBLEMS.noKey, detail: 'The request has no API key.' };
const BEARER = /^bearer +(\S+) *$/i;

/** A check of `Host`, which every route of every listener needs. @param hosts Host names besides localhost and addresses. */
export function hostCheck(hosts: readonly string[]): (host: string | undefined) => Problem | null {
  return (host) => {
    const detail = checkHost(host, hosts);
    return detail === null ? null : { kind: ACCESS_PROBLEMS.otherHost, detail };
  };
}

/** Checks the API key, and whether a page of another site sends the request. `Host` was checked before. */
export function createAccess({ keys, origins, now }: AccessOptions): Access {
  const callers = new WeakMap<object, Caller>();

  return {
    callerOf(head, source = null) {
      const token = tokenOf(head);
      // The signature tells who sends it: a page of another site cannot make one.
      if (keys !== null && token === undefined && source?.needsKey === false) return signerOf(source, NO_KEY);
      const hasKey = keys !== null && token !== undefined;
      const foreign = checkCrossSite({ method: head.method, headers: head.headers, hasKey, origins });
      if (foreign !== null) return { kind: ACCESS_PROBLEMS.crossSite, detail: foreign };
      if (keys === null) return OPEN;
      const verdict = keys.verify(token, now());
      if ('key' in verdict) return callerWith(verdict);
      if (verdict.isKnown || token === undefined) return problemOf(verdict);
      // The key may have been made a moment ago.
      return keys.refreshed().then(() => {
        const again = keys.verify(token, now());
        return 'key' in again ? callerWith(again) : problemOf(again);
      });
    },
  };

  function callerWith({ key }: Extract<KeyVerdict, { key: unknown }>): Caller {
    const known = callers.get(key);
    if (known !== undefined) return known;
    const caller = { id: key.id, refusal: (need: Need) => refusalOf(key.scopes, need) };
    callers.set(key, caller);
    return caller;
  }
}

function refusalOf(scopes: Scopes, need: Need): Problem | null {
  return allows(scopes, need) ? null : { kind: ACCESS_PROBLEMS.notAllowed, detail: whatIsMissing(need) };
}

function problemOf({ refused, sentence }: Exclude<KeyVerdict, { key: unknown }>): Problem {
  return refused === 503
    ? { kind: ACCESS_PROBLEMS.keysUnknown, detail: sentence, retryAfterSeconds: KEYS_RETRY_S }
    : { kind: ACCESS_PROBLEMS.noKey, detail: sentence };
}

/** The token of `Authorization: Bearer …`, else of `X-API-Key`. A header of another scheme is none of ours. */
function tokenOf({ headers }: RequestHead): string | undefined {
  const bearer = BEARER.exec(textOf(headers.authorization) ?? '')?.[1];
  return bearer ?? (textOf(headers['x-api-key'])?.trim() || undefined);
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}
