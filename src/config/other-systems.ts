/**
 * Settings of systems that users come from, and the setting that has the same meaning here. The value is used, unless the setting
 * itself is set.
 */
export const TAKEN_FROM_OTHERS: Readonly<Record<string, string>> = {
  DB_URL: 'DATABASE_URL',
  WORKER_POOL_SIZE: 'CONCURRENCY',
  WORKER_COUNT: 'CONCURRENCY',
  HTTP_TIMEOUT: 'ATTEMPT_TIMEOUT_MS',
};

/** Settings of systems that users come from, without effect here: what does that job here. */
export const UNUSED_OF_OTHERS: Readonly<Record<string, string>> = {
  WORKER_POLL_INTERVAL: 'workers do not poll: NATS hands them each message at once',
  WORKER_BATCH_SIZE: 'a worker takes as many messages as it has free slots (CONCURRENCY)',
  WORKER_PROCESS_DELAY:
    'workers simulate no work; the receiver has a delay: `receive --delay-ms 100ms`, `load --receiver --delay-ms 100ms`',
  WORKER_LOCK_DURATION:
    'NATS gives the messages of a dead worker to another one after ACK_WAIT_MS, 60 s by default; a live worker extends its time',
};

type Given = Readonly<Record<string, string | undefined>>;

/** Adds the values that stand under names of other systems. A setting that is set wins. */
export function withNamesOfOthers(given: Given): Given {
  const taken: Record<string, string | undefined> = { ...given };
  for (const [other, name] of Object.entries(TAKEN_FROM_OTHERS)) {
    if (!isSet(taken[name]) && isSet(given[other])) taken[name] = given[other];
  }
  return taken;
}

/** What became of a name of another system. `hint`: for a person. */
export type OtherName = { readonly kind: 'used' | 'unused'; readonly setting: string; readonly hint: string };

/** Each name of another system that is set. @param given All variables that are set, of all sources. */
export function namesOfOthers(given: Given): OtherName[] {
  const unused = Object.entries(UNUSED_OF_OTHERS).filter(([setting]) => isSet(given[setting]));
  const taken = Object.entries(TAKEN_FROM_OTHERS).filter(([setting]) => isSet(given[setting]));
  return [
    ...taken.map(([setting, name]) => takenName(setting, name, given)),
    ...unused.map(([setting, why]) => ({
      kind: 'unused' as const,
      setting,
      hint: `${setting} has no effect here: ${why}.`,
    })),
  ];
}

function takenName(setting: string, name: string, given: Given): OtherName {
  const first = Object.keys(TAKEN_FROM_OTHERS).find(
    (one) => TAKEN_FROM_OTHERS[one] === name && isSet(given[one]),
  )!;
  const stronger = isSet(given[name]) ? name : first;
  if (stronger === setting) {
    const hint = `${setting} is a name of another system: its value is used as ${name}. Write ${name}.`;
    return { kind: 'used', setting, hint };
  }
  return {
    kind: 'unused',
    setting,
    hint: `${setting} has no effect here, because ${stronger} is set. Remove ${setting}.`,
  };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== '';
}
