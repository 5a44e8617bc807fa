import { TEMPLATES } from '../core/source/payments.ts';
import { SCHEMES } from '../core/source/source-row.ts';
import { Source } from '../ingest/source.ts';
import { inTransaction } from '../postgres/connection/transaction.ts';
import { deleteSource, readSources, writeSource } from '../postgres/tables/sources-table.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { UserError } from '../runtime/failure.ts';
import { withTables } from './connect/open-database.ts';
import { commandSettings } from './connect/tool-settings.ts';
import { changeOf, SET_FLAGS } from './sources/change.ts';
import { sourceJson, sourcesTable } from './sources/view.ts';

export const command: Command = {
  summary: 'lists, shows, sets and removes the sources of the HTTP API: signatures, schemas, declarations',
  help: `
Usage: sources list [--json]
Usage: sources show NAME
Usage: sources set NAME [flags]
Usage: sources remove NAME

A source says what the API checks of POST /webhooks/NAME. set makes it, or changes what its flags name:
  --signature SCHEME  ${SCHEMES.join(', ')}
  --header NAME       the header with the signature (default: that of the scheme; for hmac X-Webhook-Signature)
  --prefix TEXT       what stands before the hex digits, such as sha256= (for hmac; default nothing)
  --tolerance TIME    how old a signed time may be, and how far ahead, 1s to 1d (default 5m)
  --secret SECRET     a secret that signs, added to those that there are; @FILE: read from a file, -: from standard input.
                      May be repeated. Without a secret, nothing is verified
  --drop-secrets older|all
                      delete all secrets but the newest, or all that there were before
  --key-required yes|no
                      yes: requests need an API key beside a valid signature
  --schema FILE       JSON Schema (2020-12) of the body; -: read from standard input
  --idempotency WHERE where a request has its idempotency key: body:event_id, body:type+event_id, header:X-Request-Id
  --event-type WHERE  where a request has its event type
  --event-id WHERE    where a request has its event id
  --description TEXT  for people
  --template NAME     begin with a source that comes with the product: ${[...TEMPLATES.keys()].join(', ')}
none as a value empties --header, --prefix, --schema, --idempotency, --event-type, --event-id and --description.
show prints what is in force as JSON, without secrets. A source that cannot work is not stored. The API follows a change
within a second. Server: DATABASE_URL; if DATABASE_URL is not set, the server of a running \`npm start\` of this clone.

  sources set payments --template payments
  sources set github --signature github --secret @github-secret.txt
`,
  async run(args) {
    const { values, positionals } = parseFlags({ args, allowPositionals: true, options: SET_FLAGS });
    const [action, name, ...more] = positionals;
    const isKnown = ['list', 'show', 'set', 'remove'].includes(action ?? '');
    if (!isKnown || (action === 'list') !== (name === undefined) || more.length > 0) {
      throw usage('sources list, sources show NAME, sources set NAME or sources remove NAME');
    }
    const { json, ...setFlags } = values;
    if (action !== 'set' && Object.keys(setFlags).length > 0) {
      throw usage(`--${Object.keys(setFlags)[0]} belongs to sources set`);
    }
    switch (action) {
      case 'list':
        return list(json === true);
      case 'show':
        return show(name!);
      case 'set':
        return set(name!, setFlags);
      default:
        return remove(name!);
    }
  },
};

const usage = (problem: string) => new UserError(`${problem} (--help shows more)`, { exitCode: 2 });
const unknown = (name: string) =>
  new UserError(`There is no source ${JSON.stringify(name)}. The command sources list shows all sources.`);

async function allSources() {
  const { rows } = await withTables(commandSettings().DATABASE_URL, (pool) => readSources(pool, null));
  return rows!.map((row) => new Source(row));
}

async function list(isJson: boolean): Promise<number> {
  const sources = await allSources();
  process.stdout.write(isJson ? `${JSON.stringify(sources.map(sourceJson))}\n` : sourcesTable(sources));
  return 0;
}

async function show(name: string): Promise<number> {
  const source = (await allSources()).find((each) => each.name === name);
  if (source === undefined) throw unknown(name);
  process.stdout.write(`${JSON.stringify(sourceJson(source), null, 2)}\n`);
  return 0;
}

async function set(name: string, flags: Parameters<typeof changeOf>[0]): Promise<number> {
  const change = await changeOf(flags);
  const source = await withTables(commandSettings().DATABASE_URL, (pool) =>
    inTransaction(pool, async (client) => {
      const written = new Source(await writeSource(client, name, change));
      if (written.problem !== null) throw new UserError(`Nothing was changed: ${written.problem}`);
      return written;
    }),
  );
  const how = source.isSigned ? `verified by ${source.row.secrets.length} secret(s)` : 'not verified';
  process.stdout.write(
    `source ${name}: signatures are ${how}; ${source.needsKey ? 'needs' : 'needs no'} API key\n`,
  );
  return 0;
}

async function remove(name: string): Promise<number> {
  const isRemoved = await withTables(commandSettings().DATABASE_URL, (pool) => deleteSource(pool, name));
  if (!isRemoved) throw unknown(name);
  process.stdout.write(`removed ${name}\n`);
  return 0;
}
