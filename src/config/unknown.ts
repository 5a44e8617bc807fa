import { closest } from '../runtime/closest.ts';

/** Variables that other programs and libraries read: they may be in `.env`. */
const READ_BY_OTHERS =
  /^(PG[A-Z]+|NODE_\w+|npm_config_\w+|COMPOSE_\w+|DOCKER_\w+|OTEL_\w+|(https?|no|all)_proxy|TZ|LANG|LC_\w+|PATH|HOME|XDG_CACHE_HOME|TEST_\w+)$/i;
/** Variables of docker-compose.yml, which also reads `.env`. */
export const READ_BY_COMPOSE = [
  'BIND_ADDRESS',
  'NATS_PORT',
  'POSTGRES_PORT',
  'API_PORT',
  'POSTGRES_PASSWORD',
];

/** A name without its unit: ATTEMPT_TIMEOUT, ATTEMPT_TIMEOUT_S and ATTEMPT_TIMEOUT_MS mean the same setting. */
const UNIT = /_(MS|S|SEC|SECS|SECONDS|M|MIN|MINUTES|H|HOURS?|D|DAYS?|B|BYTES|KB|MB)$/;

/** True if no setting and no known program reads this variable of `.env`. */
export function isUnknown(name: string, known: readonly string[]): boolean {
  return !known.includes(name) && !READ_BY_COMPOSE.includes(name) && !READ_BY_OTHERS.test(name);
}

/** The setting that the user probably meant with a name in `.env`. */
export function meantInFile(name: string, known: readonly string[]): string | undefined {
  return sameWithoutUnit(name, known) ?? closest(name, known, Math.floor(name.length / 3));
}

/** The same for a variable of the environment. It may belong to another program, so only very similar names count. */
export function meantInEnvironment(name: string, known: readonly string[]): string | undefined {
  return sameWithoutUnit(name, known) ?? closest(name, known, Math.max(1, Math.floor(name.length / 5)));
}

function sameWithoutUnit(name: string, known: readonly string[]): string | undefined {
  const bare = name.toUpperCase().replace(UNIT, '');
  return known.find((other) => UNIT.test(other) && other.replace(UNIT, '') === bare);
}
