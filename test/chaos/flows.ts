import { POISON } from './endpoint.ts';

/** Messages of one kind, at the rate of the load. Their ids begin with `healthy-` or `other-`, unless the HTTP API makes them. */
export type Flow = {
  /**
   * `healthy`: these messages should be delivered whatever happens. Their delivery times are measured, and they are published
   * alone during the control. `other`: messages for an endpoint that misbehaves, and messages that an endpoint refuses.
   */
  readonly kind: 'healthy' | 'other';
  /** `steady`: the endpoint that is always healthy. `changing`: the endpoint that misbehaves when it is told to. */
  readonly endpoint: 'steady' | 'changing';
  /** Used in turn. */
  readonly paths: readonly string[];
  readonly body: object;
  /** Used in turn. Those that begin with `webhooks.ordered.` are delivered in order. */
  readonly subjects: readonly string[];
  /** `Webhook-Deliver-At` is this much later than the publication, in milliseconds, in turn. Empty: no such header. */
  readonly deliverInMs: readonly number[];
};

const SUBJECT = 'webhooks.load';
const HEALTHY: Flow = {
  kind: 'healthy',
  endpoint: 'steady',
  paths: ['/'],
  body: {},
  subjects: [SUBJECT],
  deliverInMs: [],
};
/** Each key has time for its messages: one takes the response time of the endpoint. */
const ORDERING_KEYS = 40;

/** All messages go to a healthy endpoint. */
export const healthyOnly: readonly Flow[] = [HEALTHY];

/** Half of the messages go to another endpoint, which misbehaves as its paths say. */
export function besideMisbehaving(...paths: readonly string[]): readonly Flow[] {
  return [HEALTHY, { ...HEALTHY, kind: 'other', endpoint: 'changing', paths }];
}

/** The healthy endpoint and the misbehaving one are two URLs of the same host and port. */
export function onSharedHost(path: string): readonly Flow[] {
  return [
    { ...HEALTHY, endpoint: 'changing', paths: ['/healthy'] },
    { ...HEALTHY, kind: 'other', endpoint: 'changing', paths: [path] },
  ];
}

/** One URL, which fails on each second message. */
export function halfPoisoned(misbehaviour: string): readonly Flow[] {
  const flow: Flow = { ...HEALTHY, endpoint: 'changing', paths: [`/poisoned${misbehaviour}`] };
  return [flow, { ...flow, kind: 'other', body: POISON }];
}

/** All messages have an ordering key. */
export const inOrder: readonly Flow[] = [
  { ...HEALTHY, subjects: Array.from({ length: ORDERING_KEYS }, (_, key) => `webhooks.ordered.key-${key}`) },
];

/** All messages have a `Webhook-Deliver-At`. */
export const scheduled: readonly Flow[] = [{ ...HEALTHY, deliverInMs: [300, 700, 1500, 3000, 6000] }];
