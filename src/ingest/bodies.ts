import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { errorCode } from '../runtime/failure.ts';
import { BODY_PROBLEMS, type Problem } from '../runtime/problem.ts';
import { INGEST_PROBLEMS } from './problems.ts';

type Decoder = (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

/** A Map, and no object: the sender chooses the name, and every object has a `constructor`. */
const DECODERS: ReadonlyMap<string, Decoder> = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

const TOO_LARGE = new Set(['ERR_BUFFER_TOO_LARGE']);

/**
 * The bytes that the sender meant: decoded as Content-Encoding says.
 *
 * @param limit The most decoded bytes. A small body may stand for gigabytes, so decoding ends there.
 */
export async function decodedBody(
  body: Uint8Array,
  encoding: string,
  limit: number,
): Promise<Uint8Array | Problem> {
  const decode = DECODERS.get(encoding.trim().toLowerCase());
  if (decode === undefined) {
    return {
      kind: BODY_PROBLEMS.unsupportedType,
      detail: `Content-Encoding must be one of ${[...DECODERS.keys()].join(', ')}, or be left out.`,
    };
  }
  try {
    return await decode(body, { maxOutputLength: limit });
  } catch (error) {
    if (TOO_LARGE.has(errorCode(error) ?? '')) return tooLarge(limit);
    return {
      kind: INGEST_PROBLEMS.unreadableBody,
      detail: `The body is not valid ${encoding.trim().toLowerCase()}, as Content-Encoding says.`,
    };
  }
}

export function tooLarge(limit: number): Problem {
  return {
    kind: BODY_PROBLEMS.tooLarge,
    detail: `The body is larger than ${limit} bytes, the most that the server and its NATS stream take.`,
  };
}
