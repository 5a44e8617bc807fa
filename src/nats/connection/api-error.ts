import { type ApiError, ErrorCode, NatsError } from 'nats';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import type { NatsClient } from './client.ts';
import { describeDenied } from './permissions.ts';
import { createRetryDelay } from './retry-delay.ts';

/** `err_code` of JetStream's replies: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
export const ApiErrorCode = {
  accountResourcesExceeded: 10002,
  clusterNotAvailable: 10008,
  consumerNotFound: 10014,
  insufficientResources: 10023,
  maximumConsumers: 10026,
  maximumStreams: 10027,
  noMessageFound: 10037,
  notEnabledForAccount: 10039,
  storageResourcesExceeded: 10047,
  messageExceedsMaximum: 10054,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  subjectsOverlap: 10065,
  replicasWithoutCluster: 10074,
  notEnabled: 10076,
  streamStoreFailed: 10077,
  headerExceedsMaximum: 10097,
  workqueueUnfiltered: 10099,
  workqueueNotUnique: 10100,
  workqueueNotDeliverAll: 10101,
  streamOffline: 10118,
  consumerOffline: 10119,
  consumerExists: 10148,
  tooManyRequests: 10167,
} as const;

const TEMPORARY_API_CODES = new Set<number>([
  ApiErrorCode.clusterNotAvailable,
  ApiErrorCode.streamOffline,
  ApiErrorCode.consumerOffline,
  ApiErrorCode.tooManyRequests,
]);
const TEMPORARY_CODES = new Set<string>([ErrorCode.NoResponders, ErrorCode.Timeout, ErrorCode.Disconnect]);

const CURES: Record<number, string> = {
  [ApiErrorCode.subjectsOverlap]: 'choose subjects that no other stream carries',
  [ApiErrorCode.maximumConsumers]:
    'raise max_consumers of the account, or of the stream, or remove consumers',
  [ApiErrorCode.maximumStreams]: 'raise max_streams of the account, or remove streams',
  [ApiErrorCode.accountResourcesExceeded]: 'raise the JetStream limits of the account',
  [ApiErrorCode.storageResourcesExceeded]:
    'give JetStream more storage (max_file_store, max_memory_store in the nats-server configuration)',
  [ApiErrorCode.insufficientResources]:
    'give JetStream more storage (max_file_store, max_memory_store in the nats-server configuration)',
  [ApiErrorCode.replicasWithoutCluster]: 'this NATS is a single server: ask for 1 replica',
  [ApiErrorCode.workqueueNotDeliverAll]:
    'a consumer of a workqueue stream always starts at the first message: remove START_FROM',
};

/** The error of a reply to a request that does not go through the client's own API. */
export function jetStreamError(answer: ApiError): NatsError {
  const error = new NatsError(answer.description, String(answer.code));
  error.api_error = answer;
  return error;
}

/** The `err_code` of a JetStream error. Undefined for every other error. */
export function apiErrorCode(error: unknown): number | undefined {
  return (error as Partial<NatsError> | null)?.api_error?.err_code;
}

/** True if the same request may succeed soon: an election, a server that restarts, a broken connection. */
export function isTemporary(error: unknown): boolean {
  const apiCode = apiErrorCode(error);
  return apiCode === undefined
    ? TEMPORARY_CODES.has(errorCode(error) ?? '')
    : TEMPORARY_API_CODES.has(apiCode);
}

/**
 * Repeats the request until JetStream can answer, and logs what the client waits for.
 *
 * @param what Completes "The client waits for JetStream to …": `make the stream WEBHOOKS`.
 * @throws {UserError} if our user has no permission for the request.
 * @throws what `request` throws, unless the error is temporary.
 * @throws the reason of the client's signal, if the signal is aborted meanwhile.
 */
export async function retryWhileUnavailable<T>(
  client: NatsClient,
  what: string,
  request: () => Promise<T>,
): Promise<T> {
  const delay = createRetryDelay(client.log, client.signal);
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (errorCode(error) === ErrorCode.PermissionsViolation) throw denied(what, error as NatsError);
      if (!isTemporary(error)) throw error;
      const hint = `The client waits for JetStream to ${what} (${errorMessage(error)}). If this lasts, look at the log of nats-server.`;
      await delay.wait({ purpose: what, error: errorMessage(error), hint }, 'jetstream.unavailable');
    }
  }
}

/** Turns a JetStream error, which no wait cures, into an error for the user. Returns every other error unchanged. */
export function userErrorFor(what: string, error: unknown): unknown {
  const code = apiErrorCode(error);
  if (code === undefined) return error;
  const cure = CURES[code];
  const why = `${(error as NatsError).api_error?.description} (${code})`;
  return new UserError(`NATS refuses to ${what}: ${why}${cure === undefined ? '' : `. Cure: ${cure}`}.`, {
    cause: error,
  });
}

function denied(what: string, error: NatsError): UserError {
  const denied = describeDenied(
    error.permissionContext ?? { operation: 'publish', subject: 'the JetStream API' },
  );
  return new UserError(
    `${denied}, needed to ${what}. Grant it in the nats-server configuration: docs/permissions.md lists what a worker needs.`,
    { cause: error },
  );
}
