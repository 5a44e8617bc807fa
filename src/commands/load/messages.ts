import { seededRandom } from '../../core/seeded-random.ts';
import { invoiceSteps } from '../../load/invoices.ts';
import { payloads } from '../../load/payload.ts';
import type { PlannedMessage } from '../../load/plan.ts';
import { samplePayloads } from '../../load/samples.ts';
import type { LoadFlags } from './flags.ts';
import type { LoadMessage } from './message.ts';

/** What all ids of a run start with. */
export const idPrefix = (run: string) => `load-${run}-`;

const NO_BODY = Buffer.alloc(0);

/** Makes the message of each number, in the order of the numbers. */
export function messagesOf(
  run: string,
  { plan: { seed }, events, sample, rollback }: Pick<LoadFlags, 'plan' | 'events' | 'sample' | 'rollback'>,
): (planned: PlannedMessage) => LoadMessage {
  const rollbacks = seededRandom(seed, 'rollbacks');
  const head = (number: number) => ({ id: `${idPrefix(run)}${number}`, rollsBack: rollbacks() < rollback });
  if (sample === 'invoices') {
    const steps = invoiceSteps(seed, run);
    return ({ number }) => {
      const { id, rollsBack } = head(number);
      const invoice = steps(number, rollsBack);
      return { id, rollsBack, body: NO_BODY, turn: invoice.invoiceId, invoice };
    };
  }
  const made = payloads(seed);
  const sampled = sample === null ? null : samplePayloads(sample, { seed, run, now: Date.now() });
  const bodyOf = ({ number, bytes }: PlannedMessage): Buffer => {
    if (sampled !== null) return sampled(number);
    return events === null ? made(number, bytes) : events[(number - 1) % events.length]!.bytes;
  };
  return (planned) => ({ ...head(planned.number), body: bodyOf(planned), turn: null, invoice: null });
}

/** The message that is sent before a run. */
export function firstMessage(run: string): LoadMessage {
  const body = Buffer.from('{"event":"load.started"}');
  return { id: `${idPrefix(run)}first`, body, rollsBack: false, turn: null, invoice: null };
}
