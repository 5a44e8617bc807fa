import { type BodyTemplate, compileBody, fillBody, type TemplateInput } from '../request/body-template.ts';
import { parseHeaders, type RequestHeaders } from '../request/headers.ts';
import type { Malformed } from '../request/malformed.ts';
import { mergedQuery, type Params, paramsOf, queryOf } from '../request/params.ts';
import { appendQuery, METHODS, type Method, type Target, type TargetResult } from '../request/target.ts';
import { parseUrl } from '../request/url.ts';
import { fillUrl, type UrlTemplate } from '../request/url-template.ts';
import type { EndpointRow } from './row.ts';

/** The part of a request that the endpoint's row of `rule_webhooks` sets: checked, and compiled once. */
export type EndpointRequest = {
  readonly kind: 'request';
  /** With the row's params appended. If `url` is a template: the template, without the params. */
  readonly target: Target;
  /** Null: every message has the same URL. */
  readonly url: UrlTemplate | null;
  /** The URL without the row's params. */
  readonly plainTarget: Target;
  readonly params: Params;
  readonly method: Method;
  readonly headers: RequestHeaders;
  /** Null: the payload is sent as it is. */
  readonly body: BodyTemplate | null;
};

const NO_PARAMS: Params = { kind: 'params', pairs: new Map() };

/** The request that a row asks for, or a sentence for a person that says what is wrong with the row. */
export function requestOf(
  row: EndpointRow,
  key: string,
): EndpointRequest | Exclude<TargetResult, { kind: 'target' }> {
  const malformed = (what: string) => ({ kind: 'malformed', detail: `${nameOf(row)}: ${what}` }) as const;
  if (row.problem !== null) return malformed(row.problem);
  const method = METHODS.find((each) => each === row.method.toUpperCase());
  if (method === undefined) return malformed(`method is not one of ${METHODS.join(', ')}`);
  const url = parseUrl(row.url, 'url');
  if (url.kind !== 'target' && url.kind !== 'template')
    return { kind: url.kind, detail: `${nameOf(row)}: ${url.detail}` };
  const params = row.params === null ? NO_PARAMS : paramsOf(Buffer.from(row.params));
  if (params.kind === 'malformed') return malformed(params.detail);
  const headers = parseHeaders(Buffer.from(JSON.stringify(row.headers)));
  if (headers.kind === 'malformed') return malformed(headers.detail);
  const body = bodyOf(row, method, headers);
  if (body?.kind === 'malformed') return malformed(body.detail);
  const target = { ...url.target, endpointKey: key };
  const template = url.kind === 'template' ? { ...url, target } : null;
  return {
    kind: 'request',
    target: template === null ? appendQuery(target, queryOf(params)) : target,
    url: template,
    plainTarget: target,
    params,
    method,
    // The Content-Type of the NATS message describes the payload, not the body that the template makes of the payload.
    headers: body === null ? headers : { ...headers, list: headers.listForJson, hasContentType: true },
    body,
  };
}

function bodyOf(row: EndpointRow, method: Method, headers: RequestHeaders): BodyTemplate | Malformed | null {
  if (row.bodyTemplate === null) return null;
  if (method === 'GET') {
    return {
      kind: 'malformed',
      detail: 'a GET has no body: set body_template to null, or method to POST',
    };
  }
  return compileBody(row.bodyTemplate, headers.contentType);
}

/**
 * The URL and the body of one message: the placeholders are filled from its payload.
 *
 * @param id The delivery id.
 * @param data The payload.
 * @param more Params of the message. They follow the row's; those with the same name replace the row's. Null: none.
 */
export function fillRequest(
  request: EndpointRequest,
  id: string,
  data: Uint8Array,
  message: TemplateInput['message'],
  more: Params | null = null,
): { readonly target: Target; readonly body: Uint8Array | null } | Malformed {
  const { url, method, body } = request;
  const filled = url === null ? request.plainTarget : fillUrl(url, data, 'the payload');
  if ('kind' in filled) return filled;
  const bytes = body === null ? data : fillBody(body, { id, data, message });
  if ('kind' in bytes) return bytes;
  const isAsRow = url === null && more === null;
  const query = more === null ? queryOf(request.params) : mergedQuery(request.params, more);
  return {
    target: isAsRow ? request.target : appendQuery(filled, query),
    body: method === 'GET' ? null : bytes,
  };
}

/** How a `detail` names a row. */
export function nameOf(row: EndpointRow): string {
  return `rule_webhooks, webhook_name ${JSON.stringify(row.name)}`;
}
