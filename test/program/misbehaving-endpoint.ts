import {
  type MisbehavingEndpoint,
  startMisbehavingEndpoint as start,
} from '../../src/receiver/misbehaving-endpoint.ts';
import { cleanUpAfter } from '../support/clean-up.ts';

export type { MisbehavingEndpoint };

/** Starts a misbehaving endpoint. `cleanUpAfter` closes it. */
export async function startMisbehavingEndpoint(): Promise<MisbehavingEndpoint> {
  const endpoint = await start();
  cleanUpAfter(() => endpoint.close());
  return endpoint;
}
