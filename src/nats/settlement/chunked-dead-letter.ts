import { headers } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import type { NatsClient } from '../connection/client.ts';
import type { HeaderEntries } from '../messages/headers.ts';
import type { MessageToStore, StoreResult } from '../publishing/store-failure.ts';

/** Smaller parts are not tried: a stream that takes less than this takes no dead letters at all. */
const SMALLEST_PART_BYTES = 1024;

const partStored = failpoint('deadLetter.partStored');

/**
 * A dead letter holds the message and why it was given up, so that one of a message that just fits is larger than
 * NATS takes. It is stored in parts then: each is a piece of the original message, headers and all, as it goes over the
 * wire (`NATS/1.0`, headers, an empty line, data), under `<subject>.<bytes a part>.<number>`, from 1. The letter itself
 * comes last, without data, and names both numbers: where it is, all of its parts are.
 *
 * @param deadLetter Its headers without those of the original message, and no data.
 */
export async function storeInChunks(
  client: NatsClient,
  deadLetter: MessageToStore,
  original: { readonly headers: HeaderEntries; readonly data: Uint8Array },
  store: (message: MessageToStore) => Promise<StoreResult>,
): Promise<StoreResult> {
  const bytes = Buffer.concat([wireHeaders(original.headers), original.data]);
  let partBytes = Math.floor((client.connection.info?.max_payload ?? bytes.length) / 2);
  for (; ; partBytes = Math.floor(partBytes / 2)) {
    const count = Math.ceil(bytes.length / partBytes);
    const refused = await storeParts(count);
    if (refused === null) {
      deadLetter.headers.set(Header.partBytes, String(partBytes));
      deadLetter.headers.set(Header.parts, String(count));
      return store(deadLetter);
    }
    if (!('failed' in refused) || refused.failed !== 'tooLarge' || partBytes <= SMALLEST_PART_BYTES)
      return refused;
  }

  /** Null when all are stored. The first is as large as any: a stream that refuses it has none of this size. */
  async function storeParts(count: number): Promise<StoreResult | null> {
    const id = deadLetter.headers.get(Header.messageId);
    for (let number = 1; number <= count; number++) {
      const part = headers();
      part.set(Header.messageId, `${id}:${partBytes}:${number}`);
      part.set(Header.deliveryId, deadLetter.headers.get(Header.deliveryId));
      part.set(Header.part, String(number));
      const stored = await store({
        subject: `${deadLetter.subject}.${partBytes}.${number}`,
        data: bytes.subarray((number - 1) * partBytes, number * partBytes),
        headers: part,
      });
      if ('failed' in stored) return stored;
      partStored();
    }
    return null;
  }
}

function wireHeaders(entries: HeaderEntries): Buffer {
  const lines = entries.flatMap(([name, values]) => values.map((value) => `${name}: ${value}\r\n`));
  return Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`);
}
