import {
  type MisbehavingEndpoint,
  startMisbehavingEndpoint as start,
} from '../../src/receiver/misbehaving-endpoint.ts';
import { cleanUpAfter } from '../support/clean-up.ts';

export type { MisbehavingEndpoint };

/** One that ends as `cleanUpAfter` says. */
export async function startMisbehavingEndpoint(): Promise<MisbehavingEndpoint> {
  const endpoint = await start();
  cleanUpAfter(() => endpoint.close());
  return endpoint;
}
