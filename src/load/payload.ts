import { seededRandom } from '../core/seeded-random.ts';

const END = '"}';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
/** The padding is cut from one random text at different places, so that payloads differ and cost little. */
const TEXT_LENGTH = 65_536;

/** The smallest payload, in bytes: it has its number in it, also for the last of a million messages. */
export const LEAST_PAYLOAD_BYTES = 64;

/**
 * Returns a function that makes payloads: a JSON object of exactly the wanted size, with the number of the message and random
 * letters. The same seed gives the same payloads.
 */
export function payloads(seed: number): (number: number, bytes: number) => Buffer {
  const random = seededRandom(seed, 'payloads');
  const text = Buffer.alloc(TEXT_LENGTH);
  for (let at = 0; at < TEXT_LENGTH; at++)
    text[at] = LETTERS.charCodeAt(Math.floor(random() * LETTERS.length));
  return (number, bytes) => {
    const start = `{"event":"load.sent","number":${number},"padding":"`;
    const payload = Buffer.allocUnsafe(Math.max(bytes, start.length + END.length));
    payload.write(start, 'latin1');
    const end = payload.length - END.length;
    let from = (number * 7919) % TEXT_LENGTH;
    for (let at = start.length; at < end; from = 0) at += text.copy(payload, at, from, from + end - at);
    payload.write(END, end, 'latin1');
    return payload;
  };
}
