import { setTimeout as wait } from 'node:timers/promises';
import type { MisbehavingEndpoint } from '../../src/receiver/misbehaving-endpoint.ts';
import type { ChaosCase, Check } from './case.ts';
import type { ChaosScene } from './scene.ts';

/** Long enough that unanswered attempts fill all slots, and short enough that they time out while the endpoint misbehaves. */
const SETTINGS = { ATTEMPT_TIMEOUT_MS: '4000', ACK_WAIT_MS: '8000' };

/** The endpoint is healthy at first, misbehaves for some seconds, and recovers. Another endpoint is healthy all the time. */
function beside(
  what: string,
  misbehavingPaths: readonly string[],
  begin: (misbehaving: MisbehavingEndpoint) => void,
): ChaosCase {
  return {
    name: `endpoint that ${what}, beside a healthy endpoint`,
    scene: { misbehavingPaths, settings: SETTINGS },
    injections: { forMs: [4500, 7000] },
    async inject({ load }, { forMs }) {
      begin(load.misbehaving);
      await wait(forMs);
      load.misbehaving.recover();
      return null;
    },
  };
}

function endpointThat(what: string, ...misbehavingPaths: readonly string[]): ChaosCase {
  return { ...beside(what, misbehavingPaths, (misbehaving) => misbehaving.misbehave()), check: wereFailed };
}

/** The endpoint sends the status 200 and never completes its answer. The status alone makes the webhook delivered. */
function endpointThatOnlySendsAStatus(what: string, path: string): ChaosCase {
  return { ...beside(what, [path], (misbehaving) => misbehaving.misbehave()), check: wereSentOnce };
}

export const ENDPOINT_CASES: readonly ChaosCase[] = [
  { ...endpointThat('hangs', '/hang'), short: true },
  endpointThat('sends a body without an end', '/flood/200', '/flood/500'),
  endpointThatOnlySendsAStatus('sends headers without an end', '/headers'),
  endpointThatOnlySendsAStatus('sends one byte at a time', '/drip'),
  endpointThat('resets the connection', '/reset'),
  endpointThat('answers with garbage', '/garbage'),
  endpointThatOnlySendsAStatus('closes the connection in the middle of its answer', '/cut'),
  endpointThat('answers 503', '/status/503'),
  beside('refuses connections', ['/'], (misbehaving) => misbehaving.leave()),
];

/** Without a failed request, the case has tested nothing. */
async function wereFailed({ load }: ChaosScene): Promise<Check> {
  const failed = load.misbehaving.requests.filter(({ answered }) => !answered).length;
  return { holds: failed > 0, says: `${failed} requests failed, of ${load.misbehaving.requests.length}` };
}

/** Each webhook was sent once: its attempt did not count as a failure. */
async function wereSentOnce({ load }: ChaosScene): Promise<Check> {
  const { requests } = load.misbehaving;
  const webhooks = new Set(requests.map(({ webhookId }) => webhookId)).size;
  const holds = webhooks > 0 && requests.length === webhooks;
  return { holds, says: `${requests.length} requests for ${webhooks} webhooks` };
}
