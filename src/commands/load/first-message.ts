import { awaitArrivals } from '../../load/await-arrivals.ts';
import type { Ledger } from '../../load/ledger.ts';
import type { SendPort } from '../../load/run-load.ts';
import { UserError } from '../../runtime/failure.ts';
import type { Group } from './group.ts';
import type { LoadMessage } from './message.ts';
import { WAITS } from './outbox-of-run.ts';

/** How long the first message may take, in milliseconds. Messages that wait before it are delivered first. */
const ARRIVES_WITHIN_MS = 15_000;

/**
 * Sends one message before a run, and waits until it arrives. So a run does not fill the stream where no worker delivers, or where
 * workers may not send to the receiver.
 *
 * @param ledger Books this message only.
 * @throws {UserError} that says why the message did not arrive.
 */
export async function sendFirst(
  message: LoadMessage,
  {
    port,
    ledger,
    group,
    signal,
  }: { port: SendPort<LoadMessage>; ledger: Ledger; group: Group; signal: AbortSignal },
): Promise<void> {
  const result = await port.send(message);
  ledger.sent(performance.now(), result);
  if ('reason' in result) {
    const what =
      result.kind === 'refused'
        ? 'Nothing was sent'
        : 'It is not known whether a first message is stored, so nothing more was sent';
    throw new UserError(`${what}: ${result.reason.replace(/\.$/, '')}.`);
  }
  const look = () => group.look();
  const why = await awaitArrivals({ ledger, look, waitMs: ARRIVES_WITHIN_MS, signal });
  if (why === null || signal.aborted) return;
  const fate = (await group.fates()).get(message.id);
  throw new UserError(
    `A first message did not arrive, so nothing more was sent. ${fate === undefined ? why : causeOf(fate)}`,
  );
}

function causeOf(fate: string): string {
  const cure = fate.startsWith('dead letter forbidden')
    ? ' Allow the address of the receiver to the workers: ALLOWED_PRIVATE_CIDRS=127.0.0.0/8.'
    : fate === WAITS
      ? ' Start a relay with `relay`, or with `all`.'
      : '';
  return `It is now a ${fate}.${cure}`;
}
