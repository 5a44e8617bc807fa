import {
  type Answer,
  isObject,
  objectIn,
  rejectionStatus,
  type StandIn,
  type StandInRequest,
  startStandIn,
} from './stand-in.ts';

export type ConvoyEvent = {
  readonly endpoint_id: string;
  readonly event_type: string;
  readonly custom_headers: unknown;
  readonly idempotency_key: unknown;
  /** True if an earlier event has the same key. Convoy keeps such an event, and sends it to nobody. */
  readonly is_duplicate_event: boolean;
  /** The body of the request, unparsed. */
  readonly text: string;
};

/**
 * The part of Convoy that creates events: POST /api/v1/projects/{projectID}/events. Answers 201, also for a repeated
 * `idempotency_key`; 400 for an invalid event; 404 for an unknown project.
 */
export async function startConvoy(
  token: string,
  project: string,
): Promise<StandIn & { readonly events: readonly ConvoyEvent[] }> {
  const events: ConvoyEvent[] = [];
  const create = (received: StandInRequest): Answer => {
    if (received.path !== `/api/v1/projects/${project}/events`) return failed(404, 'project not found');
    if (received.method !== 'POST') return failed(405, 'method not allowed');
    const status = rejectionStatus(received, token);
    if (status !== null) return failed(status, 'unauthorized');
    const body = objectIn(received.text);
    if (body === null) return failed(400, 'the body is not a JSON object');
    const { endpoint_id, event_type, data, custom_headers = {}, idempotency_key = '' } = body;
    if (!isText(event_type)) return failed(400, 'event_type:please provide an event type');
    if (data === undefined) return failed(400, 'data:please provide your data');
    if (!isText(endpoint_id)) return failed(400, 'please provide an endpoint ID');
    if (typeof idempotency_key !== 'string') return failed(400, 'idempotency_key is not a string');
    if (
      !isObject(custom_headers) ||
      !Object.values(custom_headers).every((value) => typeof value === 'string')
    )
      return failed(400, 'custom_headers is not an object of strings');
    const is_duplicate_event =
      idempotency_key !== '' && events.some((event) => event.idempotency_key === idempotency_key);
    events.push({
      endpoint_id,
      event_type,
      custom_headers,
      idempotency_key,
      is_duplicate_event,
      text: received.text,
    });
    return { status: 201, body: { status: true, message: 'Event queued successfully', data: 200 } };
  };
  return { ...(await startStandIn(create)), events };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function failed(status: number, message: string): Answer {
  return { status, body: { status: false, message } };
}
