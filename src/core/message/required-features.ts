import { topLevelFields } from '../json/fields.ts';
import type { Feature, LiveInstance } from '../records/worker-instance.ts';
import { Header } from './nats-headers.ts';

/** Headers that an older worker ignores, and the feature of a worker that reads them. */
const BY_HEADER: readonly (readonly [header: string, feature: Feature])[] = [
  [Header.webhookId, 'directed-message'],
  [Header.webhookName, 'ordering-name'],
  [Header.params, 'message-parameters'],
  [Header.requestHeaders, 'message-parameters'],
  [Header.maxAttempts, 'message-parameters'],
];

/**
 * The features that every worker must have before the message is published: a worker without one of them would do something else
 * with the message. A bare payload needs `bare-payload` only if an older worker would take it for an envelope.
 *
 * @param headers The NATS headers of the message, by their names as `Header` writes them.
 */
export function requiredFeatures(
  headers: Readonly<Record<string, string>>,
  payload: Uint8Array,
): readonly Feature[] {
  const required = new Set<Feature>();
  if (headers[Header.payload] !== undefined && looksLikeEnvelope(payload)) required.add('bare-payload');
  for (const [header, feature] of BY_HEADER) if (headers[header] !== undefined) required.add(feature);
  return [...required];
}

/** Why a message must not be published now. */
export type Held = {
  /** For a person, with the cure. */
  readonly detail: string;
  /** Empty: it is not known which workers run. */
  readonly lacking: readonly { readonly feature: Feature; readonly workers: readonly string[] }[];
};

/**
 * Null: every live worker has the required features, or no worker runs.
 *
 * @param live The live workers of the group; null: not known.
 */
export function heldFor(
  live: readonly Pick<LiveInstance, 'name' | 'features'>[] | null,
  required: readonly Feature[],
): Held | null {
  if (required.length === 0) return null;
  if (live === null) {
    const detail =
      `the message needs workers with ${required.join(', ')}, and it is not known which workers run: ` +
      'PostgreSQL does not answer';
    return { detail, lacking: [] };
  }
  const lacking = required.flatMap((feature) => {
    const workers = live.filter(({ features }) => !features.includes(feature)).map(({ name }) => name);
    return workers.length === 0 ? [] : [{ feature, workers: [...new Set(workers)].sort() }];
  });
  if (lacking.length === 0) return null;
  const said = lacking.map(({ feature, workers }) => `${workers.join(', ')} without ${feature}`);
  return {
    detail: `workers of an older version run, and would not treat the message as it asks: ${said.join('; ')}; update them`,
    lacking,
  };
}

/** Also a broken one: an older worker makes a dead letter of it. */
function looksLikeEnvelope(payload: Uint8Array): boolean {
  const scan = topLevelFields(payload);
  return scan.kind === 'object'
    ? scan.fields.webhook_url !== undefined
    : scan.kind === 'broken' && scan.urlSeen;
}
