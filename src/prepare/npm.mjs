// How the preparation calls npm, and reads npm's output. See prepare.mjs.
import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const NETWORK_CODES =
  /npm (?:error|ERR!) code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|ECONNECTIONTIMEOUT|FETCH_ERROR|\w*CERT\w*|UNABLE_TO_VERIFY_LEAF_SIGNATURE)/;

/** npm waits 20 s for an answer of the registry. By default it would wait five minutes, three times. */
const PATIENCE = ['--fetch-timeout=20000', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/** The command that installs the packages of package-lock.json. If npm's usual cache cannot be written, npm uses `ownCache`. */
export function npmCi(ownCache) {
  // Without these flags and with NODE_ENV=production, npm would not install the compiler.
  const include = ['--include=dev', '--include=optional'];
  const cache = canKeepCache() ? [] : ['--cache', ownCache];
  return [...npm(), 'ci', ...include, ...PATIENCE, ...cache, '--loglevel=http'];
}

/** The npm that started this process, else the npm on PATH. Other package managers also set npm_execpath, but lack `ci`. */
function npm() {
  const script = process.env.npm_execpath;
  return script && /^npm/.test(basename(script)) ? [process.execPath, script] : ['npm'];
}

/** The home folder of a service user is often missing or not writable. */
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
 * If npm cannot download a package, it continues with the next of some hundred packages: twenty minutes if the registry does not
 * answer. More than 20 failures in a row mean that no package will come. Returns the code of the last failure, else undefined.
 */
export function registryIsAway(output) {
  const afterLastAnswer = output.split(/ fetch GET \d{3} /).at(-1);
  const failures = [...afterLastAnswer.matchAll(/ fetch GET \S+ attempt \d+ failed with (\S+)/g)];
  return failures.length > 20 ? failures.at(-1)[1] : undefined;
}

/** The output of npm, and the cure. */
export function explainNpm(output) {
  const said = output.replaceAll(/^npm http .*\n/gm, '').trimEnd();
  const code = NETWORK_CODES.exec(output)?.[1] ?? registryIsAway(output);
  const cure =
    code === undefined ? 'npm ci failed: correct the error above, then start again.' : cureOf(code);
  return `${said}\n\n${cure}`.trimStart();
}

function cureOf(code) {
  // This happens behind a company proxy that decrypts TLS: Node does not use the system's certificate authorities.
  return /CERT|SIGNATURE/.test(code)
    ? `Node does not trust the certificate of the npm registry (${code}). Set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority (PEM), then start again.`
    : `The npm registry does not answer (${code}). Check the network, HTTPS_PROXY and \`npm config get registry\`, then start again.`;
}
