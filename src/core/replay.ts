import type { NatsHeaders } from './request/headers.ts';

const HEADER = 'Webhook-Replayed';

/**
 * Whether a message is sent once more by the will of an operator: its NATS header `Webhook-Replayed` is `true`, in
 * whatever case. `false`, and one that is empty, count as none.
 *
 * @returns What is wrong with it, where it says anything else.
 */
export function isReplay(nats: NatsHeaders): boolean | { readonly problem: string } {
  const given = nats.header(HEADER)?.trim().toLowerCase();
  if (!given || given === 'false') return false;
  return given === 'true' ? true : { problem: `the NATS header ${HEADER} is neither true nor false` };
}
