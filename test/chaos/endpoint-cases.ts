import { setTimeout as wait } from 'node:timers/promises';
import type { ChaosCase, Check } from './case.ts';
import type { ChaosEndpoint } from './endpoint.ts';
import { besideMisbehaving, type Flow, halfPoisoned, onSharedHost } from './flows.ts';
import type { ProgramSettings } from './programs.ts';
import type { ChaosScene } from './scene.ts';
import type { Verdict } from './verdict.ts';
import { LONG_TIMEOUTS } from './worker-settings.ts';

/** Long enough that unanswered attempts fill all slots, and short enough that they time out while the endpoint misbehaves. */
const SETTINGS = { ATTEMPT_TIMEOUT_MS: '4000', ACK_WAIT_MS: '8000' };

type Begin = (changing: ChaosEndpoint) => void;
const misbehave: Begin = (changing) => changing.misbehave();

/** The endpoint is healthy at first, misbehaves for some seconds, and recovers. Another endpoint is healthy all the time. */
function isolation(name: string, flows: readonly Flow[], check: ChaosCase['check'], begin: Begin): ChaosCase {
  return {
    name,
    scene: { flows, settings: SETTINGS },
    isIsolation: true,
    injections: { forMs: [4500, 7000] },
    async inject({ load }, { forMs }) {
      begin(load.changing);
      await wait(forMs);
      load.changing.recover();
      return null;
    },
    ...(check !== undefined && { check }),
  };
}

function endpointThat(what: string, ...paths: readonly string[]): ChaosCase {
  const name = `endpoint that ${what}, beside a healthy endpoint`;
  return isolation(name, besideMisbehaving(...paths), wereFailed, misbehave);
}

/** The endpoint sends the status 200 and never completes its answer. The status alone makes the webhook delivered. */
function endpointThatOnlySendsAStatus(what: string, path: string): ChaosCase {
  return { ...endpointThat(what, path), check: wereSentOnce };
}

function urlThat(what: string, path: string): ChaosCase {
  return isolation(
    `URL that ${what}, beside a healthy URL of the same host`,
    onSharedHost(path),
    wereFailed,
    misbehave,
  );
}

/** The endpoint never accepts the one half of the messages, and always accepts the other half. It does not recover. */
function endpointPoisonedBy(what: string, misbehaviour: string, settings: ProgramSettings): ChaosCase {
  return {
    name: `endpoint that ${what} half of its messages, and accepts the others`,
    scene: {
      flows: halfPoisoned(misbehaviour),
      settings: { MAX_ATTEMPTS: '4', ...settings },
    },
    isIsolation: true,
    injections: { forMs: [8000, 10_000] },
    async inject({ load }, { forMs }) {
      load.changing.misbehave();
      await wait(forMs);
      return null;
    },
    check: hadTheirAttempts,
  };
}

export const ENDPOINT_CASES: readonly ChaosCase[] = [
  { ...endpointThat('hangs', '/hang'), short: true, large: true },
  endpointThat('sends a body without an end', '/flood/200', '/flood/500'),
  endpointThatOnlySendsAStatus('sends headers without an end', '/headers'),
  endpointThatOnlySendsAStatus('sends one byte at a time', '/drip'),
  endpointThat('resets the connection', '/reset'),
  endpointThat('answers with garbage', '/garbage'),
  endpointThatOnlySendsAStatus('closes the connection in the middle of its answer', '/cut'),
  endpointThat('answers 503', '/status/503'),
  isolation(
    'endpoint that refuses connections, beside a healthy endpoint',
    besideMisbehaving('/'),
    undefined,
    (changing) => changing.leave(),
  ),
  urlThat('answers 503', '/status/503'),
  urlThat('hangs', '/hang'),
  { ...endpointPoisonedBy('answers 500 to', '/status/500', LONG_TIMEOUTS), large: true },
  // The default: an eighth of the slots is for attempts without an answer, and each takes a second.
  endpointPoisonedBy('never answers', '/hang', { ATTEMPT_TIMEOUT_MS: '1000', CONCURRENCY: '256' }),
];

/** Without a failed request, the case has tested nothing. */
function wereFailed({ load }: ChaosScene): Check {
  return { holds: load.failed() > 0, says: `${load.failed()} requests failed` };
}

/** Each webhook was sent once: its attempt did not count as a failure. */
function wereSentOnce({ load }: ChaosScene, { doubled }: Verdict): Check {
  return {
    holds: load.failed() + doubled === 0,
    says: `${load.failed()} requests failed, ${doubled} doubled`,
  };
}

/** Each dead letter had all its attempts, and not one more. */
function hadTheirAttempts(_: ChaosScene, { deadLetters, otherAttempts }: Verdict): Check {
  const holds = deadLetters > 0 && otherAttempts === 0;
  return { holds, says: `${otherAttempts} of ${deadLetters} dead letters had more or fewer attempts` };
}
