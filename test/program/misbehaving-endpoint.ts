import {
  type MisbehavingEndpoint,
  startMisbehavingEndpoint as start,
} from '../../src/receiver/misbehaving-endpoint.ts';
import { atEndOfFile } from '../support/end-of-file.ts';

export type { MisbehavingEndpoint };

/** One that ends with the test file. */
export async function startMisbehavingEndpoint(): Promise<MisbehavingEndpoint> {
  const endpoint = await start();
  atEndOfFile(() => endpoint.close());
  return endpoint;
}
