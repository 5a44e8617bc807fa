import {
  type Answer,
  isObject,
  objectIn,
  rejectionStatus,
  type StandIn,
  type StandInRequest,
  startStandIn,
} from './stand-in.ts';

export type SvixMessage = {
  readonly application: string;
  readonly eventType: unknown;
  readonly eventId: unknown;
  /** The body of the request, unparsed. */
  readonly text: string;
};

const NAME = /^[a-zA-Z0-9\-_.]{1,256}$/;

/**
 * The part of Svix that creates messages: POST /api/v1/app/{app_id}/msg/. Answers 202; 409 for a repeated `eventId`;
 * 422 for an invalid message; 404 for an unknown application. And the part that creates applications: POST /api/v1/app/. Answers
 * 201; for a known `uid` 409, or 200 with `get_if_exists=true`.
 */
export async function startSvix(
  token: string,
  applications: string[],
): Promise<
  StandIn & { readonly messages: readonly SvixMessage[]; readonly applications: readonly string[] }
> {
  const messages: SvixMessage[] = [];
  const createApplication = (received: StandInRequest): Answer => {
    const status = rejectionStatus(received, token);
    if (status !== null) return problem(status, status === 401 ? 'authentication_failed' : 'unsupported');
    const { name, uid } = objectIn(received.text) ?? {};
    if (typeof name !== 'string' || name === '') return invalid('name', 'is missing');
    if (typeof uid !== 'string' || !NAME.test(uid)) return invalid('uid', `must match ${NAME}`);
    const exists = applications.includes(uid);
    const mayExist = new URL(received.path, 'http://svix').searchParams.get('get_if_exists') === 'true';
    if (exists && !mayExist) return problem(409, 'conflict');
    if (!exists) applications.push(uid);
    return { status: exists ? 200 : 201, body: { id: `app_${applications.indexOf(uid)}`, name, uid } };
  };
  const create = (received: StandInRequest): Answer => {
    if (/^\/api\/v1\/app\/?(\?|$)/.test(received.path) && received.method === 'POST')
      return createApplication(received);
    const [, application] = /^\/api\/v1\/app\/([^/?]+)\/msg\/?$/.exec(received.path) ?? [];
    if (application === undefined) return problem(404, 'not_found');
    if (received.method !== 'POST') return problem(405, 'method_not_allowed');
    const status = rejectionStatus(received, token);
    if (status !== null) return problem(status, status === 401 ? 'authentication_failed' : 'unsupported');
    const body = objectIn(received.text);
    if (body === null) return invalid('body', 'is not a JSON object');
    const { eventType, eventId, payload } = body;
    if (typeof eventType !== 'string' || !NAME.test(eventType))
      return invalid('eventType', `must match ${NAME}`);
    if (
      eventId !== undefined &&
      (typeof eventId !== 'string' || !NAME.test(eventId) || eventId.startsWith('msg_'))
    )
      return invalid('eventId', `must match ${NAME}, without msg_ before it`);
    if (!isObject(payload)) return invalid('payload', 'must be an object');
    if (!applications.includes(application)) return problem(404, 'not_found');
    if (eventId !== undefined && messages.some((message) => message.eventId === eventId))
      return problem(409, 'conflict');
    messages.push({ application, eventType, eventId, text: received.text });
    return { status: 202, body: { id: `msg_${messages.length}`, eventType, eventId, payload } };
  };
  return { ...(await startStandIn(create)), messages, applications };
}

function problem(status: number, code: string): Answer {
  return { status, body: { code, detail: code } };
}

function invalid(field: string, what: string): Answer {
  return { status: 422, body: { detail: [{ loc: ['body', field], msg: what, type: 'value_error' }] } };
}
