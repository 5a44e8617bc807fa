import { randomFillSync } from 'node:crypto';

/** Ids that one call of the system makes: a call for each costs more than the rest of an id. */
const AT_ONCE = 256;

/** Returns a function that returns `size` random bytes, which no other call returns. */
export function randomBytesOf(size: number): () => Uint8Array {
  let pool = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at === pool.length) {
      pool = randomFillSync(Buffer.alloc(size * AT_ONCE));
      at = 0;
    }
    at += size;
    return pool.subarray(at - size, at);
  };
}
