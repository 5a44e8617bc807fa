import { setTimeout as wait } from 'node:timers/promises';
import type { MisbehavingEndpoint } from '../../src/receiver/misbehaving-endpoint.ts';
import type { ChaosCase, Check } from './case.ts';
import type { ChaosScene } from './scene.ts';

/** So long that attempts which are not answered fill all slots, and so short that they time out while it is in trouble. */
const SETTINGS = { ATTEMPT_TIMEOUT_MS: '4000', ACK_WAIT_MS: '8000' };

/** Well at first, beside one that stays well; in trouble for a while, and well again in the end. */
function beside(
  what: string,
  troubledPaths: readonly string[],
  begin: (troubled: MisbehavingEndpoint) => void,
): ChaosCase {
  return {
    name: `endpoint that ${what}, beside a healthy one`,
    scene: { troubledPaths, settings: SETTINGS },
    injections: { forMs: [4500, 7000] },
    async inject({ load }, { forMs }) {
      begin(load.troubled);
      await wait(forMs);
      load.troubled.recover();
      return null;
    },
  };
}

function endpointThat(what: string, ...troubledPaths: readonly string[]): ChaosCase {
  return { ...beside(what, troubledPaths, (troubled) => troubled.misbehave()), check: wereFailed };
}

export const ENDPOINT_CASES: readonly ChaosCase[] = [
  { ...endpointThat('hangs', '/hang'), short: true },
  endpointThat('floods: a body without an end', '/flood/200', '/flood/500'),
  endpointThat('floods: headers without an end', '/headers'),
  endpointThat('drips: a byte at a time', '/drip'),
  endpointThat('resets the connection', '/reset'),
  endpointThat('answers garbage', '/garbage'),
  endpointThat('ends in the middle of its answer', '/cut'),
  endpointThat('answers 503', '/status/503'),
  beside('is not there', ['/'], (troubled) => troubled.leave()),
];

/** Else it has shown nothing. */
async function wereFailed({ load }: ChaosScene): Promise<Check> {
  const failed = load.troubled.requests.filter(({ answered }) => !answered).length;
  return { holds: failed > 0, says: `${failed} requests failed, of ${load.troubled.requests.length}` };
}
