import {
  type Answer,
  type Asked,
  isObject,
  objectIn,
  refused,
  type StandIn,
  startStandIn,
} from './stand-in.ts';

export type ConvoyEvent = {
  readonly endpoint_id: string;
  readonly event_type: string;
  readonly custom_headers: unknown;
  readonly idempotency_key: unknown;
  /** Its key was there before: it is kept, and sent to nobody. */
  readonly is_duplicate_event: boolean;
  /** The body of the request, as it came. */
  readonly text: string;
};

/**
 * Convoy, as far as events are created: POST /api/v1/projects/{projectID}/events, answered with 201, also where the
 * `idempotency_key` is there already; 400 for what is not valid, 404 for a project that is not there.
 */
export async function startConvoy(
  token: string,
  project: string,
): Promise<StandIn & { readonly events: readonly ConvoyEvent[] }> {
  const events: ConvoyEvent[] = [];
  const create = (asked: Asked): Answer => {
    if (asked.path !== `/api/v1/projects/${project}/events`) return failed(404, 'project not found');
    if (asked.method !== 'POST') return failed(405, 'method not allowed');
    const status = refused(asked, token);
    if (status !== null) return failed(status, 'unauthorized');
    const body = objectIn(asked.text);
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
      text: asked.text,
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
