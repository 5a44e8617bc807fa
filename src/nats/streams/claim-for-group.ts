import { errorCode, UserError } from '../../runtime/failure.ts';
import { apiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { GROUP_METADATA } from './internal-stream-table.ts';

/**
 * Writes the group into the metadata of the stream of ordered webhooks. The workers of two groups would share the durables of this
 * stream, so that each webhook would go to one of the groups only.
 *
 * A stream that this user may not change, and a nats-server that keeps no metadata, stay without a group.
 *
 * @throws {UserError} if the stream is the one of another group.
 */
export async function claimForGroup(client: NatsClient, stream: string, group: string): Promise<void> {
  const { streams } = client.manager;
  const { config } = await streams.info(stream);
  const owner = config.metadata?.[GROUP_METADATA];
  if (owner === group) return;
  if (owner !== undefined)
    throw new UserError(
      `ORDERED_STREAM_NAME: the stream ${stream} belongs to the group ${owner}, and this worker has QUEUE_GROUP=${group}: one ` +
        `stream of ordered webhooks has one group. Set ORDERED_STREAM_NAME and ORDERED_SUBJECT to a stream and subjects of the ` +
        `group's own, or ORDERED_SUBJECT=off. If the group ${owner} has no workers any more, hand the stream over: ` +
        `\`nats stream edit ${stream} --metadata ${GROUP_METADATA}=${group}\`.`,
    );
  const metadata = { ...config.metadata, [GROUP_METADATA]: group };
  await streams.update(stream, { ...config, metadata }).catch((error) => {
    if (apiErrorCode(error) === undefined && errorCode(error) === undefined) throw error;
  });
}
