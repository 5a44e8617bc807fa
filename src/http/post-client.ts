import { Pool } from 'undici';
import { errorCode, errorMessage } from '../runtime/failure.ts';

export type PostAnswer =
  | { readonly status: number; readonly body: string }
  /** `isUnsent`: no connection was made, so the server cannot have read the request. */
  | { readonly failed: string; readonly isUnsent: boolean };

export interface PostClient {
  /** Never rejects. */
  post(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<PostAnswer>;
  close(): Promise<void>;
}

/** Codes of failures before the first byte of a request was written. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * A client for one server, which keeps its connections.
 *
 * @param connections How many at most: as many requests are under way at once, further ones wait.
 * @param timeoutMs How long a request may wait for its answer, in milliseconds.
 */
export function createPostClient(
  origin: string,
  { connections, timeoutMs }: { readonly connections: number; readonly timeoutMs: number },
): PostClient {
  const pool = new Pool(origin, { connections, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  return {
    async post(path, headers, body) {
      try {
        const answer = await pool.request({ path, method: 'POST', headers, body });
        return { status: answer.statusCode, body: await answer.body.text() };
      } catch (error) {
        return { failed: errorMessage(error), isUnsent: UNSENT.has(errorCode(error) ?? '') };
      }
    },
    close: () => pool.destroy(),
  };
}
