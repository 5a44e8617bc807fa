import { scanJson } from '../json/scan.ts';
import type { NatsHeaders, RequestHeaders } from '../request/headers.ts';
import { LONGEST_FIELD, type Malformed, malformed } from '../request/malformed.ts';
import { type Params, paramsOf } from '../request/params.ts';
import { Header } from './nats-headers.ts';

/** The most attempts that `Webhook-Max-Attempts` may ask for. */
export const MOST_ATTEMPTS = 100;

/** What the NATS headers of one message ask for, besides its times. Null: nothing. */
export type MessageParameters = {
  /** The policy's number of attempts is replaced. Counts the first attempt. */
  readonly maxAttempts: number | null;
  /** `webhook_id` of the only row that the message is for. */
  readonly endpointId: number | null;
  /** Added to the headers of the row. */
  readonly headers: RequestHeaders | null;
  /** Added to the query of the row. */
  readonly params: Params | null;
};

const WHOLE_NUMBER = /^-?\d{1,16}$/;
const NOTHING = { key: () => {}, value: () => {} };

/**
 * Reads the NATS headers of a message that change how it is delivered. An empty header counts as absent. No detail holds a value.
 *
 * @param headersOf Parses the headers of a request, from valid JSON.
 * @returns Undefined if the message has none of them.
 */
export function messageParameters(
  message: NatsHeaders,
  headersOf: (json: Uint8Array) => RequestHeaders | Malformed,
): MessageParameters | Malformed | undefined {
  const attempts = message.header(Header.maxAttempts)?.trim();
  const endpoint = message.header(Header.webhookId)?.trim();
  const headerTexts = message.header(Header.requestHeaders)?.trim();
  const paramTexts = message.header(Header.params)?.trim();
  if (!attempts && !endpoint && !headerTexts && !paramTexts) return undefined;

  const maxAttempts = attempts ? wholeNumber(attempts, 1, MOST_ATTEMPTS) : null;
  if (maxAttempts === undefined) {
    return malformed(
      `the NATS header ${Header.maxAttempts} is not a whole number from 1 to ${MOST_ATTEMPTS}`,
    );
  }
  const endpointId = endpoint
    ? wholeNumber(endpoint, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    : null;
  if (endpointId === undefined)
    return malformed(`the NATS header ${Header.webhookId} is not the webhook_id of a row: a whole number`);
  const headers = headerTexts ? fromJson(Header.requestHeaders, headerTexts, headersOf) : null;
  if (headers !== null && 'detail' in headers) return headers;
  const params = paramTexts ? fromJson(Header.params, paramTexts, paramsOf) : null;
  if (params !== null && 'detail' in params) return params;
  return { maxAttempts, endpointId, headers, params };
}

/** Why an envelope cannot have these parameters; null if it can. */
export function envelopeConflict({ endpointId, headers, params }: MessageParameters): Malformed | null {
  const used = [
    endpointId !== null && Header.webhookId,
    headers !== null && Header.requestHeaders,
    params !== null && Header.params,
  ].find((name) => name !== false);
  if (used === undefined) return null;
  return malformed(
    `the NATS header ${used} is for a payload without webhook_url: leave it out, or say with ${Header.payload}: bare that ` +
      'webhook_url is data',
  );
}

/** Undefined: the text is not a whole number in this range. */
function wholeNumber(text: string, least: number, most: number): number | undefined {
  const number = Number(text);
  return WHOLE_NUMBER.test(text) && number >= least && number <= most ? number : undefined;
}

function fromJson<T extends object>(
  name: string,
  text: string,
  parse: (json: Uint8Array) => T | Malformed,
): T | Malformed {
  const json = Buffer.from(text);
  if (json.length > LONGEST_FIELD)
    return malformed(`the NATS header ${name} is longer than ${LONGEST_FIELD} bytes`);
  if (scanJson(json, NOTHING) >= 0) return malformed(`the NATS header ${name} is not valid JSON`);
  const parsed = parse(json);
  return 'detail' in parsed ? malformed(`the NATS header ${name}: ${parsed.detail}`) : parsed;
}
