import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';

/** A message that must arrive: NATS confirmed it, the HTTP API answered 202, or its transaction was committed. */
export type AcceptedMessage = {
  /** The `webhook-id`. */
  readonly id: string;
  readonly subject: string;
  /** Of the PubAck. Undefined: the message was committed. */
  readonly stream?: string;
  /** Of the PubAck; or the number of the commit, among those of its ordering key. */
  readonly sequence?: number;
  /** When it was handed over first. All times are in milliseconds since 1970. */
  readonly publishedAt: number;
  /** The URLs that the message must reach. */
  readonly endpoints: readonly string[];
  readonly maxAttempts: number;
  /** No request may come earlier. @default at any time */
  readonly notBefore?: number;
  /** The ordering key. @default in any order */
  readonly orderedBy?: string;
  /** The p99 that the delivery time counts for. @default none */
  readonly measured?: Measured;
};

/** A message that must not arrive: its transaction was rolled back, or the HTTP API said that it is surely not stored (503). */
export type RefusedMessage = Pick<AcceptedMessage, 'id'> & {
  /** Where it would have arrived. */
  readonly endpoint: string;
};

/** `control`: a healthy endpoint while nothing else has messages. `beside`: the same endpoint while another one misbehaves. */
export type Measured = 'control' | 'beside';

export type EndpointRequest = {
  /** The `webhook-id`. */
  readonly id: string;
  /** The URL without its query. */
  readonly endpoint: string;
  readonly at: number;
  /** The status that was sent. Null: none was, before the connection ended. */
  readonly answer: number | null;
  readonly answeredAt: number;
};

export type GivenUpMessage = {
  readonly id: string;
  /** The URL in the message. */
  readonly endpoint: string;
  readonly reason: string;
  /** Attempts made, as the dead letter says. */
  readonly attempts: number;
};

/** The files that the judge reads. They hold what the publisher, the endpoints and the dead-letter stream saw, line by line. */
export interface Evidence {
  readonly folder: string;
  accepted(message: AcceptedMessage): void;
  refused(message: RefusedMessage): void;
  request(request: EndpointRequest): void;
  deadLetter(deadLetter: GivenUpMessage): void;
  /** Resolves when all lines are written. */
  close(): Promise<void>;
}

/** Overwrites earlier files in the folder. */
export async function openEvidence(folder: string): Promise<Evidence> {
  await mkdir(folder, { recursive: true });
  const files = ['accepted', 'refused', 'requests', 'dead-letters'].map((name) =>
    createWriteStream(join(folder, `${name}.ndjson`)),
  );
  const [accepted, refused, request, deadLetter] = files.map((file) => (line: object) => {
    file.write(`${JSON.stringify(line)}\n`);
  });
  return {
    folder,
    accepted: accepted!,
    refused: refused!,
    request: request!,
    deadLetter: deadLetter!,
    async close() {
      await Promise.all(files.map((file) => finished(file.end())));
    },
  };
}
