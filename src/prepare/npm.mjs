// How the preparation calls npm, and understands it. See prepare.mjs.
import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const NETWORK_CODES =
  /npm (?:error|ERR!) code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|ECONNECTIONTIMEOUT|FETCH_ERROR|\w*CERT\w*|UNABLE_TO_VERIFY_LEAF_SIGNATURE)/;

/** npm waits five minutes for a silent registry, three times over; 20 s of silence are enough. */
const PATIENCE = ['--fetch-timeout=20000', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/** The command that installs what the lock says. Its cache is in `ownCache` where npm's usual one cannot be written. */
export function npmCi(ownCache) {
  // With NODE_ENV=production npm would leave out the compiler.
  const include = ['--include=dev', '--include=optional'];
  const cache = canKeepCache() ? [] : ['--cache', ownCache];
  return [...npm(), 'ci', ...include, ...PATIENCE, ...cache, '--loglevel=http'];
}

/** The npm that runs us; other package managers also set npm_execpath, but have no `ci`. */
function npm() {
  const script = process.env.npm_execpath;
  return script && /^npm/.test(basename(script)) ? [process.execPath, script] : ['npm'];
}

/** The homes of services are often missing or closed. */
function canKeepCache() {
  const cache = process.env.npm_config_cache || join(homedir(), '.npm');
  try {
    accessSync(existsSync(cache) ? cache : `${dirname(cache)}/`, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * npm goes on to the next of some hundred packages when one cannot be fetched, for twenty minutes with a silent registry.
 * Enough failures in a row, and none of it will come. Returns how the last one failed.
 */
export function registryIsAway(output) {
  const afterLastAnswer = output.split(/ fetch GET \d{3} /).at(-1);
  const failures = [...afterLastAnswer.matchAll(/ fetch GET \S+ attempt \d+ failed with (\S+)/g)];
  return failures.length > 20 ? failures.at(-1)[1] : undefined;
}

/** What npm said, and the cure. */
export function explainNpm(output) {
  const said = output.replaceAll(/^npm http .*\n/gm, '').trimEnd();
  const code = NETWORK_CODES.exec(output)?.[1] ?? registryIsAway(output);
  const cure =
    code === undefined ? 'npm ci failed: cure what npm says above, then start again.' : cureOf(code);
  return `${said}\n\n${cure}`.trimStart();
}

function cureOf(code) {
  // As in a company whose proxy opens TLS: Node does not ask the system which authorities to trust.
  return /CERT|SIGNATURE/.test(code)
    ? `Node does not trust the npm registry's certificate (${code}). Set NODE_EXTRA_CA_CERTS to a file with that of its authority (PEM), then start again.`
    : `The npm registry does not answer (${code}). Check the network, HTTPS_PROXY and \`npm config get registry\`, then start again.`;
}
