import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { createPublisher } from '../nats/publishing/publisher.ts';
import { idProblem, parseNatsHeaders, subjectProblem } from '../publishing/check-headers.ts';
import { composeMessage, jsonProblem, messageProblem } from '../publishing/compose-message.ts';
import { linesOf } from '../publishing/lines.ts';
import { type Publication, type PublishReport, publishAll } from '../publishing/publish-all.ts';
import { type Command, parseFlags, wholeNumberFlag } from '../runtime/command.ts';
import { errorMessage, UserError } from '../runtime/failure.ts';
import { CONNECT_TIMEOUT_MS, openNats } from './connect/open-nats.ts';
import { commandSettings } from './connect/tool-settings.ts';

export const command: Command = {
  summary: 'stores webhooks in the stream, for workers to deliver',
  help: `
Usage: publish [flags]

  --url URL               endpoint; without it, --data is published bare, and goes to the rows of rule_webhooks whose
                          nats_subject matches --subject, else to the one that is named as its last token
  --data JSON             what to send, byte for byte as given; @FILE: from a file, -: from standard input
  --header 'Name: value'  a header of the request; may be repeated (needs --url)
  --nats-header 'Name: value'
                          a header of the message, as 'Webhook-Deliver-At: 2027-01-31T12:00:00Z'; may be repeated.
                          A time is ISO 8601 with a zone, or Unix seconds
  --method METHOD         GET, POST, PUT, PATCH or DELETE (default POST; needs --url)
  --count N               store it N times, each with an id of its own, 1 to 10000000 (default 1)
  --id ID                 the id (Nats-Msg-Id, sent as webhook-id): the same id within two minutes is stored once;
                          with --count, -1, -2, … are added (default: a random one)
  --file FILE             a message a line, each complete and byte for byte (-: standard input); empty lines are
                          skipped, lines that are not valid are named and the others stored
  --subject SUBJECT       (default webhooks.test)

What a worker would make a dead letter of at once, is an error here, and nothing is stored: exit code 2.
Ends when NATS has confirmed every message; exit code 1 when one was not stored. Servers: NATS_URL, else those of
the \`npm start\` of this clone, where it runs.

  publish --url http://127.0.0.1:9000/hook --data '{"hello":"world"}' --header 'X-Event-Type: user.created'
  publish --file events.ndjson
`,
  async run(args) {
    const { subject, publications, natsHeaders } = await readFlags(args);
    const client = await openNats(commandSettings(), 'nats-webhook-worker publish');
    try {
      const startedAt = performance.now();
      const publisher = createPublisher(client, { retryForMs: CONNECT_TIMEOUT_MS });
      const report = await publishAll(publisher, subject, publications, natsHeaders);
      return print(report, (performance.now() - startedAt) / 1000);
    } finally {
      await client.close();
    }
  },
};

const usage = (message: string) => new UserError(message, { exitCode: 2 });

async function readFlags(args: string[]) {
  const { values } = parseFlags({
    args,
    options: {
      url: { type: 'string' },
      data: { type: 'string' },
      header: { type: 'string', multiple: true, default: [] },
      'nats-header': { type: 'string', multiple: true, default: [] },
      method: { type: 'string' },
      count: { type: 'string', default: '1' },
      id: { type: 'string' },
      file: { type: 'string' },
      subject: { type: 'string', default: 'webhooks.test' },
    },
  });
  const { url, data, header: headers, method, id, file, subject } = values;
  const parsed = parseNatsHeaders(values['nats-header'], Date.now());
  const wrong = subjectProblem(subject) ?? (id === undefined ? null : idProblem(id));
  if (wrong !== null) throw usage(wrong);
  if ('problem' in parsed) throw usage(parsed.problem);
  const natsHeaders = parsed.headers;
  const count = wholeNumberFlag('count', values.count, 1, 10_000_000);
  if (file !== undefined) {
    const other = [url, data, method, id, headers[0]].some((value) => value !== undefined) || count > 1;
    if (other) throw usage('--file has complete messages: only --subject and --nats-header go with it');
    return { subject, natsHeaders, publications: fromFile(await streamOf(file)) };
  }
  const composed = composeMessage({
    url,
    method,
    headers,
    data: data === undefined ? undefined : await dataOf(data),
  });
  if (composed.kind === 'problem') throw usage(composed.problem);
  return { subject, natsHeaders, publications: copiesOf(composed.bytes, count, id) };
}

async function dataOf(text: string): Promise<Buffer> {
  if (text === '-') return buffer(process.stdin);
  if (!text.startsWith('@')) return Buffer.from(text);
  return readFile(text.slice(1)).catch((error) => {
    throw usage(`--data: ${errorMessage(error)}`);
  });
}

/** Opened before NATS is: a name that is mistyped is said at once. */
async function streamOf(file: string): Promise<AsyncIterable<Buffer>> {
  if (file === '-') return process.stdin;
  const handle = await open(file).catch((error) => {
    throw usage(`--file: ${errorMessage(error)}`);
  });
  return createReadStream('', { fd: handle });
}

function* copiesOf(message: Buffer, count: number, id: string | undefined): Generator<Publication> {
  for (let number = 1; number <= count; number++) {
    const name = count === 1 ? '' : `message ${number}`;
    const numbered = id === undefined || count === 1 ? id : `${id}-${number}`;
    yield { name, id: numbered ?? `publish-${randomUUID()}`, message };
  }
}

async function* fromFile(chunks: AsyncIterable<Buffer>): AsyncGenerator<Publication> {
  for await (const { number, bytes } of linesOf(chunks)) {
    const problem = jsonProblem(bytes) ?? messageProblem(bytes);
    const message = problem === null ? bytes : { problem };
    yield { name: `line ${number}`, id: `publish-${randomUUID()}`, message };
  }
}

function print(report: PublishReport, seconds: number): number {
  const { stored, streams, last, failures, moreFailures, stopped } = report;
  if (last !== null) {
    const where = `${streams.join(' and ')}${stored === 1 ? '' : ', the last'} as number ${last.sequence} (id ${last.id})`;
    const rate = stored > 1 ? `, ${Math.round(stored / seconds)} a second` : '';
    process.stdout.write(`stored ${messages(stored)} in ${where}${rate}${alreadyThere(report)}\n`);
  }
  const failed = failures.length + moreFailures;
  if (failed === 0) return 0;
  const lines = [`${messages(failed)} ${failed === 1 ? 'was' : 'were'} not stored:`, ...failures];
  if (moreFailures > 0) lines.push(`and ${moreFailures} more`);
  if (stopped) lines.push('Stopped there: what followed would fail alike, and was not tried.');
  process.stderr.write(`${lines.join('\n  ')}\n`);
  return 1;
}

function alreadyThere({ stored, duplicates }: PublishReport): string {
  if (duplicates === 0) return '';
  return stored === 1
    ? '; it was there already, by its id'
    : `; ${duplicates} of them were there already, by their ids`;
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
