import type { StreamConfig } from 'nats';

/** What the configuration of a stream or of the durable means for deliveries. */
export type Finding = {
  /** One sentence, with the cure. */
  readonly sentence: string;
  /** True if messages are not delivered because of it: health is degraded. */
  readonly isProblem: boolean;
};

/** The findings with the problems first. */
export function problemsFirst(findings: readonly Finding[]): readonly Finding[] {
  return [
    ...findings.filter(({ isProblem }) => isProblem),
    ...findings.filter(({ isProblem }) => !isProblem),
  ];
}

/**
 * What a finding is about: a stream, or a durable of it. `durable` is null for a stream. `part`: not the configuration of the stream,
 * but the durables of its queues, or the groups that have copies there.
 */
export type FoundIn = {
  readonly stream: string;
  readonly durable: string | null;
  readonly part?: 'queues' | 'groups';
};

/** Fields of servers from 2.11 on that the types of the client do not have. An older server does not send them. */
export type NewerStreamConfig = StreamConfig & {
  readonly allow_msg_ttl?: boolean;
  /** In nanoseconds. */
  readonly subject_delete_marker_ttl?: number;
  readonly allow_msg_schedules?: boolean;
  readonly allow_msg_counter?: boolean;
  readonly persist_mode?: string;
};
