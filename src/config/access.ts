import type { StoredKey } from '../core/access/api-key.ts';
import { parseConfiguredKey } from '../core/access/configured-key.ts';
import { hostOf } from '../core/access/host.ts';
import { listOf, oneLine } from './validators.ts';

/** Who may use the HTTP API. */
export const access = {
  /**
   * API keys that are valid beside those of the command `keys create`, also without PostgreSQL, comma-separated. Each is a key,
   * or its id and hash as `keys create --setting` prints them, which keeps the key itself secret. Behind `=`, its scopes with
   * `+` between them: `publish:payments+stats`. Without scopes, the key may publish to every name. It is never logged.
   * @default none. Env API_KEYS.
   */
  API_KEYS: listOf(configuredKey)({ default: [], desc: 'API keys that work without PostgreSQL' }),

  /**
   * The key with which the command `load` uses the HTTP API (`--via http`). Its flag `--api-key` wins, and shows the key in the
   * process list. It is never logged.
   * @default none. Env API_KEY.
   */
  API_KEY: oneLine({ default: undefined, desc: 'API key of `load --via http`' }),

  /**
   * Host names by which callers reach the API, comma-separated, such as `hooks.example.com` or `*.internal`. Requests for other
   * host names are refused, so that no web page can let its own name mean this server (DNS rebinding). `localhost`, IP addresses
   * and the host of PUBLIC_URL are always allowed.
   * @default none. Env ALLOWED_HOSTS.
   */
  ALLOWED_HOSTS: listOf(allowedHost)({ default: [], desc: 'host names by which callers reach the API' }),

  /**
   * A folder with sources as files, `<name>.json`: the columns of `rule_nats_sources` as fields, and `secrets`, a list with the
   * newest first. A file wins over a row of the same name. The API follows changes of the files within a second.
   * @default none. Env SOURCES_DIR.
   */
  SOURCES_DIR: oneLine({ default: undefined, desc: 'folder with sources as files' }),
};

/** The messages never repeat the text, because it may be a key. */
function configuredKey(text: string): StoredKey {
  const key = parseConfiguredKey(text);
  if (typeof key === 'string') throw new TypeError(key);
  return key;
}

function allowedHost(text: string): string {
  const bare = text.replace(/^\*\./, '');
  if (hostOf(bare) !== bare.toLowerCase()) {
    throw new TypeError(
      `"${text}" is not a host name without scheme and port, for example hooks.example.com`,
    );
  }
  return bare === text ? bare.toLowerCase() : `*.${bare.toLowerCase()}`;
}
