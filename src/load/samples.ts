import { between, type Random, seededRandom } from '../core/seeded-random.ts';

/** Makes the payload of a message, from its number. */
export type SamplePayloads = (number: number) => Buffer;

export const SAMPLES = ['payments', 'credits', 'invoices'] as const;
export type Sample = (typeof SAMPLES)[number];
/** The sample invoices has no payloads: PostgreSQL makes them of its rows. */
export type PayloadSample = Exclude<Sample, 'invoices'>;

/**
 * Payloads as the systems make them that users come from. The same seed gives the same amounts; `run` is a part of each id, because an
 * id counts once.
 *
 * @param now The time of the first event, in milliseconds since 1970. Each event is one second later.
 */
export function samplePayloads(
  sample: PayloadSample,
  options: { seed: number; run: string; now: number },
): SamplePayloads {
  const random = seededRandom(options.seed, sample);
  const make = sample === 'payments' ? payment : creditsAndDebits();
  return (number) => Buffer.from(JSON.stringify(make(number, random, options)));
}

type Make = (number: number, random: Random, options: { run: string; now: number }) => object;

const PAYMENT_TYPES = ['payment.completed', 'payment.completed', 'payment.failed', 'payment.refunded'];
const CURRENCIES = ['NGN', 'EUR', 'USD'];

/** A payment: the amount is a decimal number in a string, so that no reader rounds it. */
const payment: Make = (number, random, { run, now }) => ({
  event_id: `evt_${run}_${number}`,
  type: oneOf(PAYMENT_TYPES, random),
  amount: amount(random),
  currency: oneOf(CURRENCIES, random),
  occurred_at: new Date(now + number * 1000).toISOString(),
});

/** About every fifth event takes back an earlier credit: a chargeback has the id of its transaction. */
function creditsAndDebits(): Make {
  const credited: { readonly event_id: string; readonly value: string; readonly user_id: string }[] = [];
  return (number, random, { run }) => {
    const isDebit = credited.length > 0 && random() < 0.2;
    const at = Math.floor(random() * credited.length);
    const [earlier] = isDebit ? credited.splice(at, 1) : [];
    const transaction = earlier ?? {
      event_id: `tx_${run}_${number}`,
      value: amount(random),
      user_id: `user_${between(random, [1, 500])}`,
    };
    if (earlier === undefined) {
      credited.push(transaction);
      if (credited.length > MOST_OPEN_CREDITS) credited.shift();
    }
    return { event_type: earlier === undefined ? '+credit' : '-debit', ...transaction };
  };
}

const MOST_OPEN_CREDITS = 1000;

function oneOf<T>(values: readonly T[], random: Random): T {
  return values[Math.floor(random() * values.length)]!;
}

function amount(random: Random): string {
  return `${between(random, [1, 9999])}.${String(between(random, [0, 99])).padStart(2, '0')}`;
}
