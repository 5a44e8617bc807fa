/** What a part of the worker says of itself: null where all is well. */
export type Troubles = {
  readonly nats: string | null;
  readonly deadLetters: string | null;
  readonly parking: string | null;
  readonly order: string | null;
  readonly postgres: string | null;
};

export type Health = {
  /** ok: all is well. degraded: deliveries go on, something beside them does not. failing: deliveries do not. */
  readonly status: 'ok' | 'degraded' | 'failing' | 'draining';
  readonly troubles: Partial<Troubles>;
};

/**
 * PostgreSQL being away does not stop deliveries, nor do endpoints whose messages cannot be parked stop the others, nor does the
 * lack of order stop what needs none;
 * NATS being away, or dead letters that find no place, do.
 */
export function judgeHealth(troubles: Troubles, draining: boolean): Health {
  const named = Object.fromEntries(Object.entries(troubles).filter(([, trouble]) => trouble !== null));
  if (draining) return { status: 'draining', troubles: named };
  if (troubles.nats !== null || troubles.deadLetters !== null) return { status: 'failing', troubles: named };
  const isWell = troubles.postgres === null && troubles.parking === null && troubles.order === null;
  return { status: isWell ? 'ok' : 'degraded', troubles: named };
}
