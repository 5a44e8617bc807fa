import { headers } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import type { NatsClient } from '../connection/client.ts';
import type { HeaderEntries } from '../messages/headers.ts';
import type { MessageToStore, StoreResult } from '../publishing/store-failure.ts';

/**
 * The smallest size that is tried for a part, in bytes. A stream that refuses parts of this size takes no dead letters at all.
 */
const SMALLEST_PART_BYTES = 1024;

const partStored = failpoint('deadLetter.partStored');

/**
 * Stores a dead letter in parts. A dead letter contains the message and the reason, so the dead letter of a message of nearly
 * the largest size is larger than NATS takes. Each part is a piece of the original message with its headers, as sent over the
 * network (`NATS/1.0`, headers, an empty line, data). Its subject is `<subject>.<bytes per part>.<number>`, and numbers start
 * at 1. The dead letter itself is stored last, without data, and names both numbers. So if the dead letter exists, all of its
 * parts exist.
 *
 * @param deadLetter The dead letter without the headers and the data of the original message.
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

  /**
   * Resolves to null when all parts are stored. The first part is the largest: a stream that refuses its size stores no part of
   * it.
   */
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
