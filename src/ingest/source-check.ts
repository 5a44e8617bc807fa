import type { IncomingHttpHeaders } from 'node:http';
import { brokenAt } from '../core/ingest/batch.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Problem } from '../runtime/problem.ts';
import { ProblemLog } from '../runtime/problem-log.ts';
import { INGEST_PROBLEMS, invalidProblem } from './problems.ts';
import type { DeclaredFacts, Source } from './source.ts';

export type SourceCheckOptions = {
  readonly log: Logger;
  /** In milliseconds since 1970. */
  readonly now: () => number;
};

/** How long after a refusal the same reason is logged again, in milliseconds: whoever likes may send wrong signatures. */
const LOG_AGAIN_MS = 60_000;

/** The same words for all reasons: whoever tries to forge a signature learns nothing. The reason is in the log. */
const BAD_SIGNATURE: Problem = {
  kind: INGEST_PROBLEMS.badSignature,
  detail:
    'The signature is missing, or is not one of this body with the secret of the source, or is too old.',
};
const BROKEN: Problem = {
  kind: INGEST_PROBLEMS.brokenSource,
  detail:
    'The configuration of the source is not valid, so nothing is accepted for it. The log of the server says why.',
  retryAfterSeconds: 60,
};

/** Checks a request for a source: signature over the decoded bytes, then schema. @returns What the body says of its webhook. */
export function createSourceCheck({ log, now }: SourceCheckOptions) {
  const refused = new ProblemLog({ againAfterMs: LOG_AGAIN_MS });

  return (source: Source, headers: IncomingHttpHeaders, body: Uint8Array): DeclaredFacts | Problem => {
    if (source.problem !== null) return BROKEN;
    const reason = source.verify(headers, body, now());
    if (reason !== null) {
      const about = { source: source.name, reason };
      refused.report(() => log.warn(about, 'source.signature_refused'), `${source.name} ${reason}`);
      return BAD_SIGNATURE;
    }
    return checkSchema(source, body) ?? source.facts(headers, body);
  };
}

/**
 * Checks a payload that comes without the request of its source, such as the `data` of `POST /webhooks`: the schema holds, and there is
 * no signature. @param pointer Where the payload is in the body of the request.
 */
export function checkPayload(source: Source, payload: Uint8Array, pointer: string): Problem | null {
  return source.problem === null ? checkSchema(source, payload, pointer) : BROKEN;
}

function checkSchema(source: Source, body: Uint8Array, pointer = ''): Problem | null {
  if (!source.hasSchema) return null;
  const offset = brokenAt(body);
  if (offset !== null) {
    const detail = `The body is no valid JSON: it breaks at byte ${offset}.`;
    return { kind: INGEST_PROBLEMS.unreadableBody, detail };
  }
  const text = Buffer.from(body)
    .toString()
    .replace(/^\ufeff/, '');
  const errors = source.validate(JSON.parse(text), body.length);
  return errors === null
    ? null
    : invalidProblem(errors.map((error) => ({ ...error, pointer: pointer + error.pointer })));
}
