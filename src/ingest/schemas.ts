import { Header } from '../core/message/nats-headers.ts';

/** What the routes take and answer, as JSON Schema 2020-12. docs/openapi.json is made of it. */

export const problem = {
  description: 'A problem (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
} as const;

export const problemSchema = {
  $id: 'Problem',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance'],
  properties: {
    type: { type: 'string', description: 'The paragraph of /docs about problems of this kind.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What is wrong with this request, and the cure.' },
    instance: { type: 'string', description: 'The id of the request, as the log of the server has it.' },
    id: { type: 'string', description: 'With 504: the id to repeat the webhook under.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        properties: {
          pointer: { type: 'string', description: 'Where in the body (RFC 6901). Empty: the whole body.' },
          detail: { type: 'string' },
        },
      },
    },
  },
} as const;

export const receiptSchema = {
  $id: 'Receipt',
  type: 'object',
  required: ['ok', 'id', 'stream', 'sequence', 'duplicate'],
  properties: {
    ok: { const: true },
    id: { type: 'string', description: 'Receivers get it as `webhook-id`.' },
    stream: { type: 'string' },
    sequence: { type: 'integer' },
    duplicate: {
      type: 'boolean',
      description: 'True: the stream had the webhook already, and it is not sent again.',
    },
  },
} as const;

const receipt = {
  description: 'The stream has stored the webhook. It is not delivered yet.',
  content: { 'application/json': { schema: { $ref: 'Receipt#' } } },
} as const;

const refusals = {
  400: problem,
  401: problem,
  403: problem,
  404: problem,
  413: problem,
  415: problem,
  422: problem,
  429: {
    ...problem,
    description:
      'Surely not stored: the caller sends more than it may. Repeat the request after Retry-After seconds.',
  },
  503: { ...problem, description: 'Surely not stored. Repeat the request after Retry-After seconds.' },
  504: { ...problem, description: 'Not confirmed in time. Repeat the request under the id in the problem.' },
} as const;

const idempotencyKey = {
  type: 'string',
  maxLength: 257,
  description:
    'The same key stores one webhook within the duplicate window of the stream. With or without quotes.',
} as const;

export const namedSchema = {
  operationId: 'publishNamed',
  summary: 'Stores one webhook for the endpoints of this name',
  description: 'The body is the payload. It reaches the endpoint byte for byte, with its Content-Type.',
  tags: ['webhooks'],
  params: {
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string', description: 'A row of rule_webhooks, by its name or its nats_subject.' },
    },
  },
  headers: {
    type: 'object',
    properties: {
      'Idempotency-Key': idempotencyKey,
      [Header.orderingKey]: {
        type: 'string',
        description: 'Webhooks with the same key are delivered one after the other. Up to 200 bytes.',
      },
      [Header.eventType]: { type: 'string', description: 'The type of the event.' },
    },
  },
  response: { 202: receipt, ...refusals },
} as const;

const described = {
  $id: 'Webhook',
  type: 'object',
  additionalProperties: false,
  properties: {
    endpoint: {
      type: ['string', 'integer'],
      description: 'The name of the webhook, as in POST /webhooks/{name}; or the webhook_id of one row.',
    },
    config_id: { type: ['string', 'integer'], description: 'The same, under the name of other systems.' },
    webhook_url: {
      type: 'string',
      description: 'A URL in place of an endpoint. The API key needs the scope `url`.',
    },
    event_type: { type: ['string', 'null'], maxLength: 255 },
    event_id: {
      type: ['string', 'null'],
      maxLength: 255,
      description: 'With event_type, the idempotency key, unless another one is given.',
    },
    data: { description: 'The body that the endpoint gets, byte for byte. Any JSON.' },
    headers: { type: ['object', 'null'], additionalProperties: { type: ['string', 'number', 'boolean'] } },
    url_params: {
      type: ['object', 'null'],
      additionalProperties: { type: ['string', 'number', 'boolean'] },
      description: 'Added to the query of the URL. Never logged.',
    },
    ordering_key: {
      type: ['string', 'null'],
      minLength: 1,
      description: 'Webhooks with the same key are delivered one after the other. Up to 200 bytes.',
    },
    deliver_at: { type: ['string', 'number', 'null'], description: 'ISO 8601 with a zone, or Unix seconds.' },
    expires_at: { type: ['string', 'number', 'null'], description: 'ISO 8601 with a zone, or Unix seconds.' },
    max_attempts: { type: ['integer', 'null'], minimum: 1, maximum: 100 },
    idempotency_key: { type: ['string', 'null'], minLength: 1, maxLength: 255 },
  },
  oneOf: [{ required: ['endpoint'] }, { required: ['config_id'] }, { required: ['webhook_url'] }],
} as const;

export const webhookSchema = described;

export const describedSchema = {
  operationId: 'publish',
  summary: 'Stores one webhook for an endpoint, or for a URL',
  tags: ['webhooks'],
  headers: { type: 'object', properties: { 'Idempotency-Key': idempotencyKey } },
  body: { $ref: 'Webhook#' },
  response: { 202: receipt, ...refusals },
} as const;

const result = { oneOf: [{ $ref: 'Receipt#' }, { $ref: 'Problem#' }] } as const;

export const batchSchema = {
  operationId: 'publishBatch',
  summary: 'Stores up to 1,000 webhooks, with one result each, in order',
  description:
    'The answer is 200 as soon as one webhook may be stored: look at the status of each result. Repeat the webhooks with 503 and 504.',
  tags: ['webhooks'],
  body: {
    content: {
      'application/json': { schema: { type: 'array', maxItems: 1000, items: { $ref: 'Webhook#' } } },
      'application/x-ndjson': { schema: { $ref: 'Webhook#' } },
    },
  },
  response: {
    200: {
      description: 'One result per webhook, in order',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['results'],
            properties: { results: { type: 'array', items: result } },
          },
        },
        'application/x-ndjson': { schema: result },
      },
    },
    ...refusals,
  },
} as const;
