import type { StreamConfig, StreamSource } from 'nats';
import { covers } from '../../core/subject.ts';
import { type SubjectTransform, transformedPattern } from '../../core/subject-transform.ts';

/** The streams whose subjects decide which subjects this stream stores. */
export function originsOf({ mirror, sources }: StreamConfig): readonly StreamSource[] {
  return [...(mirror === undefined ? [] : [mirror]), ...(sources ?? [])];
}

/**
 * The subjects that a stream can store, as patterns. They may be too wide, but never too narrow.
 *
 * @param subjectsOf The subjects that the stream of this name can store; null if they are not known.
 */
export function storedSubjects(
  config: StreamConfig,
  subjectsOf: (stream: string) => readonly string[] | null,
): readonly string[] {
  const { subjects = [], subject_transform: transform, mirror } = config;
  const copied = originsOf(config).flatMap((origin) => copiedSubjects(origin, subjectsOf));
  const arriving = [...subjects, ...copied];
  if (transform === undefined) return distinct(arriving);
  const changed = arriving.flatMap((pattern) => afterTransform(pattern, transform));
  // Whether a mirror applies the transform depends on the version of the server.
  return distinct(mirror === undefined ? changed : [...arriving, ...changed]);
}

function copiedSubjects(
  { name, filter_subject: filter, subject_transforms: transforms = [], external }: StreamSource,
  subjectsOf: (stream: string) => readonly string[] | null,
): readonly string[] {
  const known = external === undefined ? subjectsOf(name) : null;
  const arriving = (known ?? ['>']).map((pattern) => transformedPattern(pattern, { src: filter ?? '' }));
  const taken = arriving.filter((pattern) => pattern !== null);
  if (transforms.length === 0) return taken;
  return taken.flatMap((pattern) =>
    transforms.map((each) => transformedPattern(pattern, each)).filter((made) => made !== null),
  );
}

/** A subject that the transform does not match stays as it is. */
function afterTransform(pattern: string, transform: SubjectTransform): string[] {
  const made = transformedPattern(pattern, transform);
  const isWhole = covers(transform.src || '>', pattern);
  return [...(made === null ? [] : [made]), ...(isWhole ? [] : [pattern])];
}

function distinct(patterns: readonly string[]): readonly string[] {
  return [...new Set(patterns)];
}
