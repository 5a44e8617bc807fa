import { withoutByteOrderMark } from '../json/broken.ts';
import { elementsOf } from '../json/fields.ts';
import { scanJson } from '../json/scan.ts';

/** The most webhooks of one batch. */
export const MOST_IN_BATCH = 1000;

/** The JSON of each webhook as it is written; or where the batch cannot be read. `line` is 1-based. */
export type Batch =
  | { readonly items: readonly Uint8Array[] }
  | { readonly line: number; readonly detail: string };

const NOTHING = { key: () => {}, value: () => {} };

/** Where the bytes stop to be JSON; null: they are JSON. */
export function brokenAt(body: Uint8Array): number | null {
  const bytes = withoutByteOrderMark(body);
  const offset = scanJson(bytes, NOTHING);
  return offset < 0 ? null : offset + body.length - bytes.length;
}

/** Splits a batch. @param isLines True: one JSON value per line (NDJSON); empty lines count for nothing. False: a JSON array. */
export function splitBatch(body: Uint8Array, isLines: boolean): Batch {
  const bytes = withoutByteOrderMark(body);
  return isLines ? splitLines(bytes) : splitArray(bytes);
}

function splitArray(bytes: Uint8Array): Batch {
  const offset = scanJson(bytes, NOTHING);
  if (offset >= 0) {
    return { line: lineAt(bytes, offset), detail: 'The batch is no valid JSON from this line on.' };
  }
  const items = elementsOf(bytes.subarray(bytes.findIndex((byte) => byte > 0x20)));
  return items === null
    ? {
        line: 1,
        detail:
          'The batch is no JSON array. For one webhook per line, send Content-Type: application/x-ndjson.',
      }
    : { items };
}

function splitLines(bytes: Uint8Array): Batch {
  const items: Uint8Array[] = [];
  let line = 0;
  for (let start = 0; start < bytes.length; ) {
    line += 1;
    const found = bytes.indexOf(0x0a, start);
    const end = found < 0 ? bytes.length : found;
    const text = bytes.subarray(start, end);
    start = end + 1;
    if (text.every((byte) => byte <= 0x20)) continue;
    if (scanJson(text, NOTHING) >= 0) return { line, detail: 'This line is no valid JSON.' };
    items.push(text.subarray(text.findIndex((byte) => byte > 0x20)));
  }
  return { items };
}

function lineAt(bytes: Uint8Array, offset: number): number {
  let line = 1;
  for (let at = 0; at < offset; at++) if (bytes[at] === 0x0a) line += 1;
  return line;
}
