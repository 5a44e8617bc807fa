import { randomBytes } from 'node:crypto';
import { composeApiKey, partsOfApiKey, RANDOM_BYTES } from '../core/access/api-key.ts';
import { configuredKeyText } from '../core/access/configured-key.ts';
import { parseScopes } from '../core/access/scopes.ts';
import { insertApiKey, listApiKeys, revokeApiKey } from '../postgres/tables/api-keys-table.ts';
import { type Command, durationFlag, parseFlags } from '../runtime/command.ts';
import { UserError } from '../runtime/failure.ts';
import { withTables } from './connect/open-database.ts';
import { commandSettings } from './connect/tool-settings.ts';
import { keyChosen } from './keys/chosen-key.ts';
import { keysJson, keysTable } from './keys/list.ts';

const DAY_MS = 86_400_000;
const LONGEST_MS = 3650 * DAY_MS;

export const command: Command = {
  summary: 'makes, lists and revokes the API keys of the HTTP API',
  help: `
Usage: keys create NAME [--scopes SCOPE,SCOPE…] [--expires TIME] [--setting] [--json]
Usage: keys list [--json]
Usage: keys revoke ID|NAME

create: prints a new key, once. Only its hash is stored, so that nobody can print it again.
  --scopes    what the key allows, comma-separated (default publish)
                publish           publish to every name
                publish:payments  publish to this name; * stands for any characters, as in publish:orders-*
                url               publish to a URL that the request names, with publish besides
                stats             read counts
                read              read webhooks, endpoints and dead letters; includes stats
                operate           retry, replay, pause; includes read
                administer        change endpoints, secrets and keys; includes operate
  --expires   how long the key is valid, such as 90d or 12h, at most 3650d (default: until it is revoked)
  --setting   store nothing; print the key, and the setting API_KEYS for it, which works without PostgreSQL
list: every key with its scopes, expiry and last use, never the key itself.
revoke: the key is refused within a second. A NAME must belong to one key that is not revoked yet.
  --json      print JSON

Server: DATABASE_URL; if DATABASE_URL is not set, the server of a running \`npm start\` of this clone.

  keys create shop --scopes publish:orders,publish:payments --expires 90d
  keys revoke shop
`,
  async run(args) {
    const { values, positionals } = parseFlags({
      args,
      allowPositionals: true,
      options: {
        scopes: { type: 'string' },
        expires: { type: 'string' },
        setting: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const [action, subject, ...more] = positionals;
    if (action === 'list') {
      if (subject !== undefined) throw usage('keys list takes no name');
      return list(values.json);
    }
    if (action !== 'create' && action !== 'revoke') {
      throw usage(action === undefined ? 'what to do is missing' : `there is no "keys ${action}"`);
    }
    if (subject === undefined || subject.trim() === '' || more.length > 0) {
      throw usage(`keys ${action} takes one ${action === 'create' ? 'name' : 'id or name'}`);
    }
    return action === 'create' ? create(subject, values) : revoke(subject, values.json);
  },
};

const usage = (problem: string) =>
  new UserError(`${problem}: keys create NAME, keys list, keys revoke ID|NAME (--help shows more)`, {
    exitCode: 2,
  });

type CreateFlags = { scopes?: string; expires?: string; setting: boolean; json: boolean };

async function create(name: string, flags: CreateFlags): Promise<number> {
  const scopes = (flags.scopes ?? 'publish').split(',').map((text) => text.trim());
  const problem = parseScopes(scopes);
  if (typeof problem === 'string') throw new UserError(`--scopes: ${problem}`, { exitCode: 2 });
  const lifeMs =
    flags.expires === undefined
      ? null
      : durationFlag('expires', flags.expires, { min: 1000, max: LONGEST_MS });
  if (flags.setting && lifeMs !== null) {
    throw new UserError('--setting: a key of API_KEYS does not expire; leave out --expires', { exitCode: 2 });
  }
  const key = composeApiKey(randomBytes(RANDOM_BYTES));
  const { id, hash } = partsOfApiKey(key)!;
  const setting = flags.setting ? configuredKeyText({ id, hash }, scopes) : null;
  const expiresAt = lifeMs === null ? null : Date.now() + lifeMs;
  if (setting === null) {
    await withTables(commandSettings().DATABASE_URL, (pool) =>
      insertApiKey(pool, { id, name, hash, scopes, expiresAt }),
    );
  }
  if (flags.json) {
    const expires_at = expiresAt === null ? null : new Date(expiresAt).toISOString();
    print(JSON.stringify({ id, name, key, scopes, expires_at, ...(setting === null ? {} : { setting }) }));
    return 0;
  }
  print(key);
  if (setting !== null) print(`API_KEYS=${setting}`);
  process.stderr.write(
    'This is the only time that the key is shown. Send it as Authorization: Bearer <key>.\n',
  );
  return 0;
}

async function list(isJson: boolean): Promise<number> {
  const keys = await withTables(commandSettings().DATABASE_URL, listApiKeys);
  process.stdout.write(isJson ? keysJson(keys) : keysTable(keys, new Date()));
  return 0;
}

async function revoke(idOrName: string, isJson: boolean): Promise<number> {
  const { id, name } = await withTables(commandSettings().DATABASE_URL, async (pool) => {
    const chosen = keyChosen(await listApiKeys(pool), idOrName);
    if (typeof chosen === 'string') throw new UserError(chosen);
    await revokeApiKey(pool, chosen.id);
    return chosen;
  });
  print(isJson ? JSON.stringify({ id, name, revoked: true }) : `revoked ${id} (${name})`);
  return 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
