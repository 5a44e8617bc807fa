import { nanos, type StreamConfig } from 'nats';
import { covers, overlap } from '../../core/subject.ts';
import { transformedPattern } from '../../core/subject-transform.ts';
import { internalStreamWarnings } from '../streams/internal-stream.ts';
import {
  INTERNAL_STREAMS,
  type InternalStreamDescription,
  type InternalStreamKind,
  type InternalStreamOptions,
} from '../streams/internal-stream-table.ts';
import { streamDangers } from '../streams/stream-warnings.ts';
import type { Finding } from './finding.ts';
import { streamFeatures } from './stream-features.ts';

/**
 * What the configuration of the stream of webhooks means for deliveries.
 *
 * @param subjects SUBJECT, or what the durable takes.
 * @param stored What the stream can store: see `storedSubjects`.
 */
export function streamFindings(
  config: StreamConfig,
  subjects: readonly string[],
  stored: readonly string[],
): Finding[] {
  return [
    ...subjectProblems(config, subjects, stored).map(problem),
    ...sealedProblem(config).map(problem),
    ...[...streamDangers(config), ...streamFeatures(config)].map(notice),
  ].map((finding) => ofStream(config, finding));
}

/** What the configuration of a stream of the workers' own means for deliveries. */
export function internalStreamFindings<K extends InternalStreamKind>(
  kind: K,
  config: StreamConfig,
  wanted: InternalStreamOptions[K],
): Finding[] {
  const stream: InternalStreamDescription<InternalStreamOptions[K]> = INTERNAL_STREAMS[kind];
  return [
    ...transformProblem(config, stream.subjects(wanted)).map(problem),
    ...sealedProblem(config).map(problem),
    ...streamFeatures(config).map(notice),
  ]
    .map((finding) => ofStream(config, finding))
    .concat(internalStreamWarnings(kind, config, wanted).map(notice));
}

/**
 * A stream that removes messages before their retries end: they leave no dead letter.
 *
 * @param retriesLastMs How long the retries of messages that name their URL go on. Null: not known here.
 */
export function shortAge(config: StreamConfig, retriesLastMs: number | null): Finding[] {
  const { max_age: maxAge } = config;
  if (!maxAge || retriesLastMs === null || maxAge >= nanos(retriesLastMs)) return [];
  const sentence =
    `removes messages after ${maxAge / nanos(1000)} s (max_age), and retries of messages with a URL go on for ` +
    `${Math.round(retriesLastMs / 1000)} s: a message that fails for longer is removed without a dead letter. ` +
    `Set max_age to more, or MAX_AGE_HOURS to less`;
  return [ofStream(config, notice(sentence))];
}

/** The server accepts a filter that no stored message matches, and then delivers nothing, without an error. */
function subjectProblems(
  { name, subjects: carried = [] }: StreamConfig,
  subjects: readonly string[],
  stored: readonly string[],
): string[] {
  const unmatched = subjects.filter((subject) => !stored.some((pattern) => overlap(pattern, subject)));
  if (unmatched.length === 0) return [];
  const storedNow = stored.length === 0 ? 'no subject' : stored.join(', ');
  const listens = carried.length === 0 ? '' : ` It listens on ${carried.join(', ')}.`;
  return [
    `stores ${storedNow}, and nothing that can match SUBJECT=${unmatched.join(',')}, so workers get none of these messages: set ` +
      `SUBJECT to subjects that ${name} stores, or change the stream.${listens}`,
  ];
}

function sealedProblem({ sealed }: StreamConfig): string[] {
  return sealed ? ['is sealed: NATS stores no message in it any more, and nobody can undo this'] : [];
}

/** A copy under another subject is never found again, although NATS has confirmed it. */
function transformProblem(
  { subject_transform: transform }: StreamConfig,
  subjects: readonly string[],
): string[] {
  if (transform === undefined) return [];
  const changed = subjects.filter((subject) => {
    const made = transformedPattern(subject, transform);
    return made !== null && !covers(subject, made);
  });
  if (changed.length === 0) return [];
  return [
    `stores ${changed.join(', ')} under other subjects (subject_transform), where workers do not look for them: remove the ` +
      'subject_transform',
  ];
}

const problem = (sentence: string): Finding => ({ sentence, isProblem: true });
const notice = (sentence: string): Finding => ({ sentence, isProblem: false });

function ofStream({ name }: StreamConfig, { sentence, isProblem }: Finding): Finding {
  return { sentence: `The stream ${name} ${sentence.replace(/\.$/, '')}.`, isProblem };
}
