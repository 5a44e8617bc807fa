import { isoTime } from '../core/time.ts';

/** What a part of the API says of itself: null, or what is wrong. */
export type Probe = {
  readonly problem: () => string | null;
  /** True: while it has a problem, no webhook can be taken in. */
  readonly isNeeded: boolean;
};

export type Check = {
  readonly ok: boolean;
  /** Since when it is so, as far as the process has seen it (ISO 8601). */
  readonly since: string;
  readonly detail: string | null;
};

export type HealthAnswer = {
  /** ok: no problem. degraded: webhooks are taken in, but another part has a problem. failing: none can be taken in. */
  readonly status: 'ok' | 'degraded' | 'failing' | 'draining';
  readonly checks: Readonly<Record<string, Check>>;
};

/** The health of the API, from its parts. It answers from memory. */
export class ApiHealth {
  readonly #probes: Readonly<Record<string, Probe>>;
  readonly #isClosed: () => boolean;
  readonly #now: () => number;
  readonly #seen = new Map<string, { ok: boolean; since: number }>();
  #isDraining = false;

  /** @param isClosed True if the connection to NATS is closed for good: only a restart helps. */
  constructor(probes: Readonly<Record<string, Probe>>, isClosed: () => boolean, now: () => number) {
    this.#probes = probes;
    this.#isClosed = isClosed;
    this.#now = now;
  }

  /** False: only a restart helps. */
  get isLive(): boolean {
    return !this.#isClosed();
  }

  drain(): void {
    this.#isDraining = true;
  }

  answer(): HealthAnswer {
    const found = Object.entries(this.#probes).map(([name, probe]) => {
      const detail = probe.problem();
      return { name, detail, isNeeded: probe.isNeeded, check: this.#check(name, detail) };
    });
    const problems = found.filter(({ detail }) => detail !== null);
    const status = this.#isDraining
      ? 'draining'
      : problems.some(({ isNeeded }) => isNeeded)
        ? 'failing'
        : problems.length > 0
          ? 'degraded'
          : 'ok';
    return { status, checks: Object.fromEntries(found.map(({ name, check }) => [name, check])) };
  }

  #check(name: string, detail: string | null): Check {
    const ok = detail === null;
    const before = this.#seen.get(name);
    const since = before?.ok === ok ? before.since : this.#now();
    this.#seen.set(name, { ok, since });
    return { ok, since: isoTime(since), detail };
  }
}
