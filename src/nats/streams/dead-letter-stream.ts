import { DiscardPolicy, RetentionPolicy, type StreamInfo } from 'nats';
import type { NatsClient } from '../connection/client.ts';
import { ensureInternalStream } from './internal-stream.ts';

export type DeadLetterStreamWanted = {
  /** DLQ_STREAM_NAME. */
  readonly name: string;
  /** The stream whose dead letters it keeps. */
  readonly sourceStream: string;
  readonly replicas: number;
};

/**
 * Makes the stream that keeps dead letters, where it is missing; one that is there is never changed.
 * It keeps one message a subject, for ever, and refuses a second: so a letter that is written again after a crash stays
 * one letter. It has no limits, since one that is full refuses letters, and the deliveries go round and round.
 *
 * @returns How one that is there differs: a sentence each, with the cure.
 * @throws {UserError} where it cannot be made, or does not carry our dead letters.
 */
export async function ensureDeadLetterStream(
  client: NatsClient,
  wanted: DeadLetterStreamWanted,
): Promise<{ readonly isNew: boolean; readonly warnings: readonly string[] }> {
  const { info, isNew } = await ensureInternalStream(client, {
    name: wanted.name,
    setting: 'DLQ_STREAM_NAME',
    purpose: 'for dead letters',
    subjects: [`dlq.${wanted.sourceStream}.>`],
    replicas: wanted.replicas,
    config: {
      description: `Webhooks of ${wanted.sourceStream} that were given up`,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      discard_new_per_subject: true,
      max_msgs_per_subject: 1,
    },
  });
  return { isNew, warnings: warningsOf(info) };
}

function warningsOf({ config }: StreamInfo): string[] {
  const edit = `nats stream edit ${config.name}`;
  const sentences: string[] = [];
  if (config.max_msgs_per_subject !== 1 || !config.discard_new_per_subject || config.discard !== 'new') {
    sentences.push(
      `may keep a dead letter twice, or replace it: \`${edit} --discard new --discard-per-subject --max-msgs-per-subject 1\``,
    );
  }
  if (config.max_msgs > 0 || config.max_bytes > 0) {
    sentences.push(
      `can become full, and then dead letters go round and round: \`${edit} --max-msgs -1 --max-bytes -1\``,
    );
  }
  if (config.max_age > 0) sentences.push(`forgets dead letters after a time: \`${edit} --max-age 0\``);
  if (config.storage === 'memory')
    sentences.push('forgets all dead letters when nats-server restarts: it is in memory');
  return sentences.map((sentence) => `The stream ${config.name} ${sentence}.`);
}
