import { scanJson } from '../core/json/scan.ts';
import { createMessageParser } from '../core/message/envelope.ts';
import { RequestHeader, WRITTEN_BY_WORKERS } from '../core/request/header-names.ts';

export type MessageParts = {
  /** The NATS headers of the message: they may say that `webhook_url` is data, or be wrong. */
  readonly natsHeaders?: Readonly<Record<string, string>>;
  /** Undefined: a bare payload, `data` alone. */
  readonly url?: string | undefined;
  /** Sent byte for byte. */
  readonly data?: Buffer | undefined;
  readonly method?: string | undefined;
  /** Each `Name: value`. */
  readonly headers?: readonly string[];
};

/** `problem`: what is wrong, for a person. Begins with the name of the part. */
export type Composed =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  | { readonly kind: 'problem'; readonly problem: string };

/** A message as docs/publishing.md describes it. A message that would become a dead letter at once is a problem here. */
export function composeMessage({
  url,
  data,
  method,
  headers = [],
  natsHeaders = {},
}: MessageParts): Composed {
  const checked = (bytes: Buffer) => checkedWith(bytes, natsHeaders);
  if (url === undefined) {
    if (data === undefined) return problem('give --data, --url, or both');
    return headers.length === 0 && method === undefined
      ? checked(data)
      : problem('--header and --method need an envelope: give --url as well');
  }
  const members = [`"webhook_url":${JSON.stringify(url)}`];
  if (method !== undefined) members.push(`"method":${JSON.stringify(method)}`);
  if (headers.length > 0) {
    const pairs = headers.map(splitHeader);
    const broken = headers[pairs.indexOf(null)];
    if (broken !== undefined) return problem(`--header: "${broken}" is not of the form "Name: value"`);
    const written = pairs.find((pair) => WRITTEN_BY_WORKERS.has(pair![0].toLowerCase()))?.[0];
    if (written !== undefined) return problem(`--header: ${writtenByWorkers(written)}`);
    members.push(`"headers":${JSON.stringify(Object.fromEntries(pairs as [string, string][]))}`);
  }
  if (data === undefined) return checked(Buffer.from(`{${members.join(',')}}`));
  const broken = jsonProblem(data);
  if (broken !== null) return problem(`--data is ${broken}`);
  return checked(Buffer.concat([Buffer.from(`{${members.join(',')},"data":`), data, Buffer.from('}')]));
}

/** Where the bytes stop being JSON, for a person; null if all of them are JSON. */
export function jsonProblem(bytes: Buffer): string | null {
  const offset = scanJson(bytes, { key: () => {}, value: () => {} });
  if (offset < 0) return null;
  if (offset === bytes.length) return 'not valid JSON: it ends too soon';
  const before = bytes.subarray(0, offset).toString();
  const line = before.split('\n').length;
  const column = [...before.slice(before.lastIndexOf('\n') + 1)].length + 1;
  const near = bytes.subarray(offset, offset + 20).toString();
  const place = bytes.includes('\n') ? `line ${line}, column ${column}` : `column ${column}`;
  return `not valid JSON: it breaks at ${place} (byte ${offset}), near ${JSON.stringify(near)}`;
}

/** Why a worker could not send the message, for a person; null if it could. */
export function messageProblem(
  bytes: Buffer,
  natsHeaders: Readonly<Record<string, string>> = {},
): string | null {
  const byLowerCase = new Map(
    Object.entries(natsHeaders).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const header = (name: string) => byLowerCase.get(name.toLowerCase());
  const parsed = createMessageParser()({ data: bytes, header });
  return 'detail' in parsed ? parsed.detail : null;
}

function checkedWith(bytes: Buffer, natsHeaders: Readonly<Record<string, string>>): Composed {
  const wrong = messageProblem(bytes, natsHeaders);
  return wrong === null
    ? { kind: 'message', bytes }
    : problem(`the message would become a dead letter: ${wrong}`);
}

function writtenByWorkers(name: string): string {
  const cure = name.toLowerCase() === RequestHeader.id ? '--id sets it' : 'leave it out';
  return `a worker writes ${name} itself; ${cure}`;
}

function splitHeader(text: string): [string, string] | null {
  const [, name, value] = /^([^:]+):\s*(.*)$/s.exec(text) ?? [];
  return name === undefined || value === undefined ? null : [name.trim(), value];
}

function problem(text: string): Composed {
  return { kind: 'problem', problem: text };
}
