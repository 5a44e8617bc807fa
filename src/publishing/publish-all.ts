import { Header } from '../core/message/nats-headers.ts';

/** One message to publish. */
export type Publication = {
  /** How a report names the message: `line 3`; empty if there is only one. */
  readonly name: string;
  readonly id: string;
  /** The bytes to store, or why the message cannot be published. */
  readonly message: Buffer | { readonly problem: string };
};

/** Publishes to NATS: an adapter of `src/nats/publishing` implements it. */
export interface PublishPort {
  whenFree(): Promise<void>;
  publish(
    subject: string,
    data: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<
    | { readonly stored: { readonly stream: string; readonly sequence: number; readonly duplicate: boolean } }
    | { readonly failed: string; readonly detail: string }
  >;
}

export type PublishReport = {
  readonly stored: number;
  /** How many of `stored` the stream already had, by their id. */
  readonly duplicates: number;
  /** Names of the streams that stored the messages. */
  readonly streams: readonly string[];
  /** The stored message with the highest sequence; null if none was stored. */
  readonly last: { readonly id: string; readonly sequence: number } | null;
  readonly failures: readonly string[];
  /** The number of failures that `failures` does not list. */
  readonly moreFailures: number;
  /** True if the rest was not tried, because it would have failed in the same way. */
  readonly stopped: boolean;
};

/** If one message fails for one of these reasons, all messages fail. */
const FAILS_ALL = new Set(['noStream', 'denied', 'timeout', 'streamFull']);
const FAILURES_NAMED = 20;

/**
 * Stores messages, many at once, and waits until NATS has confirmed all of them.
 *
 * @param headers The NATS headers of every message, in addition to its id.
 */
export async function publishAll(
  port: PublishPort,
  subject: string,
  publications: AsyncIterable<Publication> | Iterable<Publication>,
  headers: Readonly<Record<string, string>> = {},
): Promise<PublishReport> {
  const streams = new Set<string>();
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  const counts = { stored: 0, duplicates: 0, failed: 0 };
  let last: PublishReport['last'] = null;
  let failsAll = false;
  let stopped = false;

  function fail(name: string, detail: string): void {
    counts.failed++;
    if (failures.length < FAILURES_NAMED) failures.push(name === '' ? detail : `${name}: ${detail}`);
  }

  async function publish(name: string, id: string, data: Buffer): Promise<void> {
    const result = await port.publish(subject, data, { ...headers, [Header.messageId]: id });
    if ('failed' in result) {
      // Once all messages fail, the further failures are only counted.
      if (failsAll) counts.failed++;
      else fail(name, result.detail);
      failsAll ||= FAILS_ALL.has(result.failed);
      return;
    }
    counts.stored++;
    if (result.stored.duplicate) counts.duplicates++;
    if (last === null || result.stored.sequence > last.sequence)
      last = { id, sequence: result.stored.sequence };
    streams.add(result.stored.stream);
  }

  for await (const { name, id, message } of publications) {
    if (failsAll) {
      stopped = true;
      break;
    }
    if ('problem' in message) {
      fail(name, message.problem);
      continue;
    }
    await port.whenFree();
    const publishing = publish(name, id, message).finally(() => underWay.delete(publishing));
    underWay.add(publishing);
  }
  await Promise.all(underWay);
  const { failed, ...rest } = counts;
  return { ...rest, last, streams: [...streams], failures, moreFailures: failed - failures.length, stopped };
}
