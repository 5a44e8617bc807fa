import { problem } from './schemas.ts';

const nullable = (type: string, more: object = {}) => ({ type: [type, 'null'], ...more });
const time = nullable('string', { format: 'date-time' });

export const storySchema = {
  operationId: 'webhookStatus',
  summary: 'What became of a webhook',
  description:
    'Known from the first attempt on; with INGEST_LOG=on, from the 202 on. Needs the scope publish:{name} or read.',
  tags: ['webhooks'],
  params: {
    type: 'object',
    required: ['name', 'id'],
    properties: { name: { type: 'string' }, id: { type: 'string' } },
  },
  response: {
    200: {
      description: 'The webhook, and one entry per endpoint',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['id', 'name', 'received', 'deliveries'],
            properties: {
              id: { type: 'string' },
              name: { type: 'string' },
              received: {
                type: ['object', 'null'],
                properties: {
                  event_type: nullable('string'),
                  event_id: nullable('string'),
                  sequence: { type: 'integer' },
                  received_at: { type: 'string', format: 'date-time' },
                },
              },
              deliveries: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    endpoint: nullable('string'),
                    status: { enum: ['delivered', 'retrying', 'dead-lettered', 'discarded'] },
                    attempts: { type: 'integer' },
                    last_status: nullable('integer'),
                    last_error: nullable('string'),
                    dead_letter_reason: nullable('string'),
                    next_attempt_at: time,
                    first_attempt_at: time,
                    completed_at: time,
                  },
                },
              },
            },
          },
        },
      },
    },
    401: problem,
    403: problem,
    404: problem,
    503: problem,
  },
} as const;

const counted = { type: 'object', additionalProperties: { type: 'integer' } } as const;
const unknown = { type: ['integer', 'null'] } as const;

export const statsSchema = {
  operationId: 'webhookStats',
  summary: 'How many webhooks wait, and what became of those of the last 24 hours',
  description:
    'At most 10 seconds old. `counts` has the rows of the view nats_webhook_counts, `outbox` that of nats_outbox_backlog, and `waiting` what `stats` prints. Null: unknown. Needs the scope stats.',
  tags: ['webhooks'],
  response: {
    200: {
      description: 'Counts',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: [
              'as_of',
              'waiting',
              'outbox',
              'by_status',
              'by_name',
              'by_event_type',
              'by_hour',
              'counts',
            ],
            properties: {
              as_of: { type: 'string', format: 'date-time' },
              waiting: {
                type: 'object',
                properties: {
                  pending: unknown,
                  parked: unknown,
                  scheduled: unknown,
                  ordered: unknown,
                  dead_letters: unknown,
                },
              },
              outbox: {
                type: ['object', 'null'],
                description: 'The row of the view nats_outbox_backlog.',
                properties: {
                  waiting: { type: 'integer' },
                  failed: { type: 'integer' },
                  oldest_age_ms: unknown,
                },
              },
              by_status: counted,
              by_name: counted,
              by_event_type: counted,
              by_hour: counted,
              counts: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    webhook_name: { type: 'string' },
                    event_type: nullable('string'),
                    status: { type: 'string' },
                    hour: { type: 'string', format: 'date-time' },
                    deliveries: { type: 'integer' },
                  },
                },
              },
            },
          },
        },
      },
    },
    401: problem,
    403: problem,
    503: problem,
  },
} as const;
