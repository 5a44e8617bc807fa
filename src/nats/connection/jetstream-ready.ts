import { ErrorCode } from 'nats';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from './api-error.ts';
import type { NatsClient } from './client.ts';
import { createRetryDelay } from './retry-delay.ts';

const ENABLE = 'Start nats-server with -js, or with `jetstream {}` in its configuration.';

/**
 * Waits until JetStream answers. A cluster that has no leader, or has JetStream only on other servers, may need a moment. A
 * single server without JetStream never answers, so the function throws at once.
 *
 * @throws {UserError} if JetStream is switched off.
 */
export async function awaitJetStream(client: NatsClient, jsDomain: string | undefined): Promise<void> {
  const delay = createRetryDelay(client.log, client.signal);
  for (;;) {
    try {
      await client.manager.getAccountInfo();
      return;
    } catch (error) {
      // Our user may have every permission that the worker needs, except the one to read the account info.
      if (errorCode(error) === ErrorCode.PermissionsViolation) return;
      const failure = switchedOff(client, error, jsDomain);
      if (failure !== undefined) throw failure;
      if (!isTemporary(error)) throw error;
      const hint = `The client waits for JetStream (${errorMessage(error)}). ${causeOf(client, jsDomain)}`;
      await delay.wait({ error: errorMessage(error), hint }, 'jetstream.unavailable');
    }
  }
}

function switchedOff(
  client: NatsClient,
  error: unknown,
  jsDomain: string | undefined,
): UserError | undefined {
  const server = client.connection.getServer();
  const apiCode = apiErrorCode(error);
  if (apiCode === ApiErrorCode.notEnabledForAccount) {
    return new UserError(
      `NATS at ${server} has JetStream, but our account may not use it. Add \`jetstream: enabled\` to the account in the nats-server configuration.`,
      { cause: error },
    );
  }
  const info = client.connection.info;
  const nobodyAnswers = apiCode === undefined && errorCode(error) === ErrorCode.NoResponders;
  const canHaveItElsewhere = jsDomain !== undefined || info?.cluster !== undefined;
  if (apiCode === ApiErrorCode.notEnabled || (nobodyAnswers && !info?.jetstream && !canHaveItElsewhere)) {
    return new UserError(`NATS at ${server} runs without JetStream. ${ENABLE}`, { cause: error });
  }
  return undefined;
}

function causeOf(client: NatsClient, jsDomain: string | undefined): string {
  if (jsDomain !== undefined) {
    return `No server answers for the JetStream domain "${jsDomain}". If the domain has another name, set NATS_JS_DOMAIN.`;
  }
  if (client.connection.info?.jetstream) return 'The cluster has no leader yet.';
  return `This server runs without JetStream, and no other server of the cluster answers. ${ENABLE}`;
}
