import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { MOST_ATTEMPTS } from '../core/message/message-parameters.ts';
import { createPublisher } from '../nats/publishing/publisher.ts';
import { idProblem, parseNatsHeaders, subjectProblem } from '../publishing/check-headers.ts';
import { composeMessage, jsonProblem, messageProblem } from '../publishing/compose-message.ts';
import { linesOf } from '../publishing/lines.ts';
import { withMessageFlags } from '../publishing/message-flags.ts';
import { type Publication, type PublishReport, publishAll } from '../publishing/publish-all.ts';
import { type Command, parseFlags, wholeNumberFlag } from '../runtime/command.ts';
import { errorMessage, UserError } from '../runtime/failure.ts';
import { CONNECT_TIMEOUT_MS, openNats } from './connect/open-nats.ts';
import { commandSettings } from './connect/tool-settings.ts';

export const command: Command = {
  summary: 'stores webhooks in the stream; workers deliver them',
  help: `
Usage: publish [flags]

  --url URL               URL of the endpoint. Without --url, --data is the whole message; workers send the message to the
                          rows of rule_webhooks whose nats_subject matches --subject, else to the row whose name is the
                          last token of --subject
  --data JSON             the body, sent byte for byte; @FILE: read from a file, -: read from standard input
  --header 'Name: value'  a header of the request; may be repeated (needs --url)
  --nats-header 'Name: value'
                          a header of the message, such as 'Webhook-Deliver-At: 2027-01-31T12:00:00Z'; may be repeated.
                          A time is ISO 8601 with a zone, or Unix seconds
  --method METHOD         GET, POST, PUT, PATCH or DELETE (default POST; needs --url)
  --count N               store the message N times, each time with another id, 1 to 10000000 (default 1)
  --id ID                 the id of the message (Nats-Msg-Id, sent as webhook-id). NATS stores only one message with this
                          id within two minutes. With --count, -1, -2, … are added to the id (default: a random id)
  --file FILE             a file with one complete message per line, stored byte for byte (-: standard input). Empty lines
                          are skipped. Invalid lines are listed, and the other lines are stored
  --subject SUBJECT       subject of the message (default webhooks.test)
  --ordering-key KEY      messages with the same key arrive one after the other: any text of at most 200 bytes. Stored under
                          webhooks.ordered.<key>; rows are found as for --subject
  --event-type TYPE       the type of the event, for event_types of rows
  --max-attempts N        attempts of this message, 1 to 100 (default: what its row or the settings say)
  --deliver-at TIME       nothing is sent before: ISO 8601 with a zone, or Unix seconds

If workers would make a dead letter of the message at once, the command stores nothing: exit code 2.
The command ends when NATS has confirmed every message; exit code 1 if a message was not stored. Servers: NATS_URL; if
NATS_URL is not set, the servers of a running \`npm start\` of this clone.

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
      'ordering-key': { type: 'string' },
      'event-type': { type: 'string' },
      'max-attempts': { type: 'string' },
      'deliver-at': { type: 'string' },
    },
  });
  const { url, data, header: headers, method, id, file } = values;
  const wrong = subjectProblem(values.subject) ?? (id === undefined ? null : idProblem(id));
  if (wrong !== null) throw usage(wrong);
  const parsed = parseNatsHeaders(values['nats-header'], Date.now());
  if ('problem' in parsed) throw usage(parsed.problem);
  const attempts = values['max-attempts'];
  const flags = {
    orderingKey: values['ordering-key'],
    eventType: values['event-type'],
    maxAttempts:
      attempts === undefined ? undefined : wholeNumberFlag('max-attempts', attempts, 1, MOST_ATTEMPTS),
    deliverAt: values['deliver-at'],
  };
  const message = withMessageFlags(flags, values.subject, parsed.headers, Date.now());
  if ('problem' in message) throw usage(message.problem);
  const { subject, headers: natsHeaders } = message;
  const count = wholeNumberFlag('count', values.count, 1, 10_000_000);
  if (file !== undefined) {
    const other = [url, data, method, id, headers[0]].some((value) => value !== undefined) || count > 1;
    if (other)
      throw usage(
        '--file holds complete messages: --url, --data, --method, --header, --id and --count do not go with it',
      );
    return { subject, natsHeaders, publications: fromFile(await streamOf(file), natsHeaders) };
  }
  const composed = composeMessage({
    url,
    method,
    headers,
    natsHeaders,
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

/** The file is opened before the connection to NATS, so that a mistyped name is an error at once. */
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

async function* fromFile(
  chunks: AsyncIterable<Buffer>,
  natsHeaders: Readonly<Record<string, string>>,
): AsyncGenerator<Publication> {
  for await (const { number, bytes } of linesOf(chunks)) {
    const problem = jsonProblem(bytes) ?? messageProblem(bytes, natsHeaders);
    const message = problem === null ? bytes : { problem };
    yield { name: `line ${number}`, id: `publish-${randomUUID()}`, message };
  }
}

function print(report: PublishReport, seconds: number): number {
  const { stored, streams, last, failures, moreFailures, stopped } = report;
  if (last !== null) {
    const where = `${streams.join(' and ')}${stored === 1 ? '' : ', the last'} as number ${last.sequence} (id ${last.id})`;
    const rate = stored > 1 ? `, ${Math.round(stored / seconds)} per second` : '';
    process.stdout.write(`stored ${messages(stored)} in ${where}${rate}${alreadyThere(report)}\n`);
  }
  const failed = failures.length + moreFailures;
  if (failed === 0) return 0;
  const lines = [`${messages(failed)} ${failed === 1 ? 'was' : 'were'} not stored:`, ...failures];
  if (moreFailures > 0) lines.push(`and ${moreFailures} more`);
  if (stopped)
    lines.push('Stopped there: all further messages would fail in the same way, and were not tried.');
  process.stderr.write(`${lines.join('\n  ')}\n`);
  return 1;
}

function alreadyThere({ stored, duplicates }: PublishReport): string {
  if (duplicates === 0) return '';
  return stored === 1
    ? '; a message with this id was stored before'
    : `; ${duplicates} of their ids were stored before`;
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
