/** What a message takes in memory beside the bytes of its headers and data: more than a small one itself. */
const BESIDE_BYTES = 2048;

/** What it costs to keep a message, in bytes. */
export function memoryCost({ size }: { readonly size: number }): number {
  return size + BESIDE_BYTES;
}
