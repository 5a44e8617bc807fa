import type { ConsumerInfo } from 'nats';
import { ApiErrorCode, apiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { pausedSentence } from '../consumers/consumer-findings.ts';
import { filtersOf } from '../consumers/start-position.ts';
import { type CopyOwner, DEFAULT_GROUP, groupOfKey, parkedSubject } from '../streams/copy-subjects.ts';
import { listSubjects } from '../streams/list-subjects.ts';
import type { Finding } from './finding.ts';
import type { FindingsOf } from './read-findings.ts';

export type QueuesWanted = {
  readonly owner: CopyOwner;
  /** PARKED_STREAM_NAME. */
  readonly parked: string;
  /** ORDERED_STREAM_NAME; null: the worker orders nothing. */
  readonly ordered: string | null;
};

/** How many paused durables of one stream are named. The others are counted. */
const NAMED = 10;

/**
 * How long a group with a durable may have pulled and acked nothing before its copies count as unread, in milliseconds. Below: a
 * group whose slots are all busy would count.
 */
const SILENT_MS = 60_000;

/** Reads what keeps copies in the parked and the ordered queues. Never rejects. */
export async function readQueueFindings(client: NatsClient, wanted: QueuesWanted): Promise<FindingsOf[]> {
  const { owner, parked, ordered } = wanted;
  const prefix = parkedSubject(owner, '');
  const isOwn = (info: ConsumerInfo) =>
    filtersOf(info).some(
      (filter) =>
        filter.startsWith(prefix) &&
        (owner.group !== DEFAULT_GROUP || groupOfKey(filter.slice(prefix.length)) === DEFAULT_GROUP),
    );
  return Promise.all([
    pausedQueues(client, parked, isOwn),
    unreadGroups(client, parked, owner),
    ...(ordered === null ? [] : [pausedQueues(client, ordered, () => true)]),
  ]);
}

async function pausedQueues(
  client: NatsClient,
  stream: string,
  isOwn: (info: ConsumerInfo) => boolean,
): Promise<FindingsOf> {
  const about = { stream, durable: null, part: 'queues' } as const;
  const paused: ConsumerInfo[] = [];
  try {
    for await (const info of client.manager.consumers.list(stream))
      if (info.paused && isOwn(info)) paused.push(info);
  } catch {
    return { ...about, findings: null };
  }
  const named = paused
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, NAMED)
    .map((info) => `The durable ${info.name} ${pausedSentence(info)}.`);
  const more = paused.length - named.length;
  const others =
    more === 0 ? [] : [`${more} more durables of the stream ${stream} are paused, and deliver nothing.`];
  return { ...about, findings: [...named, ...others].map(problem) };
}

/** A group that was renamed leaves its copies behind. */
async function unreadGroups(client: NatsClient, parked: string, owner: CopyOwner): Promise<FindingsOf> {
  const about = { stream: parked, durable: null, part: 'groups' } as const;
  try {
    const groups = await otherGroups(client, parked, owner);
    if (groups === null) return { ...about, findings: null };
    const found = await Promise.all(groups.map((group) => unreadGroup(client, parked, { ...owner, group })));
    return { ...about, findings: found.filter((finding) => finding !== null) };
  } catch {
    return { ...about, findings: null };
  }
}

/** The other groups that have copies. Null: not known now. */
async function otherGroups(
  client: NatsClient,
  parked: string,
  owner: CopyOwner,
): Promise<readonly string[] | null> {
  const prefix = parkedSubject({ ...owner, group: DEFAULT_GROUP }, '');
  // The subjects of the default group are many, and other groups look at them only to find it.
  const filter = owner.group === DEFAULT_GROUP ? `${prefix}group.>` : `${prefix}>`;
  const subjects = await listSubjects(client, parked, filter);
  if (subjects === null) return null;
  const groups = new Set([...subjects.keys()].map((subject) => groupOfKey(subject.slice(prefix.length))));
  groups.delete(owner.group);
  return [...groups].sort();
}

async function unreadGroup(
  client: NatsClient,
  parked: string,
  { sourceStream, group }: CopyOwner,
): Promise<Finding | null> {
  const info = await client.manager.consumers.info(sourceStream, group).catch((error) => {
    if (apiErrorCode(error) === ApiErrorCode.consumerNotFound) return null;
    throw error;
  });
  // A named group reads the copies without a group itself if there is no default group.
  if (info === null && group === DEFAULT_GROUP) return null;
  if (info !== null && isAlive(info)) return null;
  const why =
    info === null ? `which has no durable on the stream ${sourceStream}` : 'of which no worker runs';
  const sentence =
    `The stream ${parked} holds webhooks of the group ${group}, ${why}, so nobody sends them: start a worker with QUEUE_GROUP=${group} ` +
    'until they are sent, on a work queue with a SUBJECT that nobody publishes to.';
  // A group that is only stopped is no problem of this one.
  return { sentence, isProblem: info === null };
}

/** The times, RFC 3339, are by the clock of NATS. The types of the client lack them. */
function isAlive(info: ConsumerInfo): boolean {
  if (info.num_waiting > 0) return true;
  const { delivered, ack_floor: acked, ts } = info as unknown as Activity;
  const now = Date.parse(ts);
  return [delivered, acked].some(({ last_active }) => now - Date.parse(last_active ?? '') < SILENT_MS);
}

const problem = (sentence: string): Finding => ({ sentence, isProblem: true });

type LastActive = { readonly last_active?: string };
type Activity = { readonly delivered: LastActive; readonly ack_floor: LastActive; readonly ts: string };
