import { nanos, type StreamConfig } from 'nats';
import { noLimitAsMinusOne, type StreamWanted } from './stream-config.ts';

/** Warnings for a stream that differs from the wanted configuration, or that may lose undelivered messages. */
export function streamWarnings(actual: StreamConfig, wanted: StreamWanted): string[] {
  return [...streamDangers(actual), ...differences(actual, wanted)].map(
    (sentence) => `The stream ${actual.name} ${sentence}.`,
  );
}

/** Ways in which the stream may lose undelivered messages: each completes "The stream X …". */
export function streamDangers(actual: StreamConfig): string[] {
  const edit = `nats stream edit ${actual.name}`;
  const sentences: string[] = [];
  const limited = actual.max_msgs > 0 || actual.max_bytes > 0;
  if (limited && actual.discard === 'old') {
    sentences.push(
      `evicts its oldest messages when it is full, also undelivered ones: \`${edit} --discard new\` refuses new ones instead`,
    );
  }
  if (actual.max_age > 0) {
    sentences.push(
      `removes messages after ${actual.max_age / nanos(1000)} s, also undelivered ones: \`${edit} --max-age 0\` keeps them`,
    );
  }
  if (actual.storage === 'memory') {
    sentences.push(
      'is unsafe, because it is stored in memory: undelivered messages are lost when nats-server restarts; only a new stream can have file storage',
    );
  }
  if (actual.retention === 'interest') {
    sentences.push('drops messages that are published while it has no consumer (retention interest)');
  }
  return sentences;
}

function differences(actual: StreamConfig, wanted: StreamWanted): string[] {
  const edit = `nats stream edit ${actual.name}`;
  const sentences: string[] = [];
  function compare(what: string, is: unknown, should: unknown, cure: string): void {
    if (is !== should) sentences.push(`has ${what} ${is}, not ${should} as wanted: ${cure}`);
  }
  const anew = 'harmless here; only a new stream can have the wanted value';
  // A mirror has no subjects of its own, and no duplicate window.
  const isMirror = actual.mirror !== undefined;
  if (!isMirror) {
    const cure = `\`${edit} --subjects ${wanted.subjects.join(',')}\``;
    compare('subjects', listed(actual.subjects), listed(wanted.subjects), cure);
  }
  compare('retention', actual.retention, wanted.retention, anew);
  if (actual.storage !== 'memory') compare('storage', actual.storage, wanted.storage, anew);
  compare('discard policy', actual.discard, wanted.discard, `\`${edit} --discard ${wanted.discard}\``);
  compare(
    'max_msgs',
    noLimitAsMinusOne(actual.max_msgs),
    noLimitAsMinusOne(wanted.maxMessages),
    `\`${edit} --max-msgs ${noLimitAsMinusOne(wanted.maxMessages)}\``,
  );
  compare(
    'max_bytes',
    noLimitAsMinusOne(actual.max_bytes),
    noLimitAsMinusOne(wanted.maxBytes),
    `\`${edit} --max-bytes ${noLimitAsMinusOne(wanted.maxBytes)}\``,
  );
  if (actual.max_age === 0) {
    compare(
      'max_age',
      '0 s',
      `${Math.max(0, wanted.maxAgeSeconds)} s`,
      `\`${edit} --max-age ${wanted.maxAgeSeconds}s\``,
    );
  }
  compare('replicas', actual.num_replicas, wanted.replicas, `\`${edit} --replicas ${wanted.replicas}\``);
  if (wanted.duplicateWindowSeconds > 0 && !isMirror) {
    compare(
      'duplicate window',
      `${actual.duplicate_window / nanos(1000)} s`,
      `${wanted.duplicateWindowSeconds} s`,
      `\`${edit} --dupe-window ${wanted.duplicateWindowSeconds}s\``,
    );
  }
  return sentences;
}

function listed(subjects: readonly string[] = []): string {
  return [...subjects].sort().join(',');
}
