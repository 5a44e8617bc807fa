import { channel } from 'node:diagnostics_channel';

/**
 * Marks a place where the death of the process leaves work half done. The returned function is called at that place, and
 * publishes on the channel `nats-webhook-worker:<name>`. Tests load a listener into the process that ends it there. No setting
 * can do that, and without a listener the function does nothing.
 */
export function failpoint(name: string): () => void {
  const point = channel(`nats-webhook-worker:${name}`);
  return () => point.publish(undefined);
}
