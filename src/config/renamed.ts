/** Settings with new names, old name first. The old names work for one version. */
export const RENAMED: Readonly<Record<string, string>> = {
  SET_ASIDE_BYTES: 'DEFERRED_BYTES',
  MAX_DRAINS: 'MAX_OPEN_QUEUES',
  ENDPOINTS_KEPT: 'MAX_TRACKED_ENDPOINTS',
  IDLE_CONNECTIONS: 'MAX_IDLE_CONNECTIONS',
};

/**
 * Settings without effect, and why. They are accepted with a warning, so that a worker with an old `.env` starts. Their values are
 * not checked.
 */
export const RETIRED: Readonly<Record<string, string>> = {
  BREAKER_FAILURE_RATE: 'the circuit breaker follows the success share of each endpoint now',
  BREAKER_FAILURE_SHARE: 'the circuit breaker follows the success share of each endpoint now',
  BREAKER_WINDOW_MS: 'the circuit breaker counts first attempts now, and no time',
};

type Given = Readonly<Record<string, string | undefined>>;

/** Returns the values under the new names of their settings. `problems`: settings that one source sets under both names. */
export function withNewNames(source: Given): { given: Given; problems: string[] } {
  const given: Record<string, string | undefined> = { ...source };
  const problems: string[] = [];
  for (const [oldName, name] of Object.entries(RENAMED)) {
    const value = given[oldName];
    delete given[oldName];
    if (value === undefined || value.trim() === '') continue;
    if (given[name] !== undefined && given[name].trim() !== '') {
      problems.push(`${name}: ${oldName}, the old name of ${name}, is set as well; remove ${oldName}`);
    } else given[name] = value;
  }
  return { given, problems };
}
