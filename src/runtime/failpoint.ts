import { channel } from 'node:diagnostics_channel';

/**
 * A place at which a death leaves something half done: the function that is returned says that we are there. Only who
 * was loaded into the process and listens on the channel `nats-webhook-worker:<name>` hears it, as the tests do to let it
 * die there. No setting leads to it, and where nobody listens, it is an empty function.
 */
export function failpoint(name: string): () => void {
  const point = channel(`nats-webhook-worker:${name}`);
  return () => point.publish(undefined);
}
