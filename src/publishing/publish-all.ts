import { Header } from '../core/message/nats-headers.ts';

/** One message on its way into a stream. */
export type Publication = {
  /** How a report names it: `line 3`; empty where there is only one. */
  readonly name: string;
  readonly id: string;
  /** Bytes to store, or why there are none. */
  readonly message: Buffer | { readonly problem: string };
};

/** What an adapter to NATS gives us: see `src/nats/publisher.ts`. */
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
  /** Of `stored`: those that the stream had already, by their id. */
  readonly duplicates: number;
  /** Names of the streams that stored them. */
  readonly streams: readonly string[];
  /** The message that stands last in its stream; null where none was stored. */
  readonly last: { readonly id: string; readonly sequence: number } | null;
  readonly failures: readonly string[];
  /** Failures beyond those that are named. */
  readonly moreFailures: number;
  /** The rest was not tried, since it could only have failed in the same way. */
  readonly stopped: boolean;
};

/** Where one message fails like this, all of them do. */
const FAILS_ALL = new Set(['noStream', 'denied', 'timeout', 'streamFull']);
const FAILURES_NAMED = 20;

/**
 * Stores messages, many at once, and waits until NATS has confirmed each.
 *
 * @param headers NATS headers of each, beside its id.
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
      // Once all fail, those under way only repeat it.
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
