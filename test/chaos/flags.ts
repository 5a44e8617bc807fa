import { randomInt } from 'node:crypto';
import { parseFlags, wholeNumberFlag } from '../../src/runtime/command.ts';

export const LAST_SEED = 2 ** 32 - 1;
/** Messages per second of all flows together, with --messages. */
export const LARGE_RATE = 600;

export type ChaosFlags = {
  readonly seed: number;
  /** Empty: all faults. */
  readonly only: string;
  readonly short: boolean;
  /** 0: each injection is made once. */
  readonly messages: number;
  /** How long a fault may take, with --messages also its load. */
  readonly seconds: number;
  readonly keep: string | undefined;
};

/** @throws {UserError} that names the flag that is wrong. */
export function readFlags(args: string[]): ChaosFlags {
  const { values } = parseFlags({
    args,
    options: {
      seed: { type: 'string' },
      only: { type: 'string', default: '' },
      short: { type: 'boolean', default: false },
      messages: { type: 'string', default: '0' },
      seconds: { type: 'string', default: '120' },
      keep: { type: 'string' },
    },
  });
  const messages = wholeNumberFlag('messages', values.messages, 0, 10_000_000);
  const seconds = wholeNumberFlag('seconds', values.seconds, 10, 3600);
  return {
    seed:
      values.seed === undefined
        ? randomInt(LAST_SEED + 1)
        : wholeNumberFlag('seed', values.seed, 0, LAST_SEED),
    messages,
    // Publishing alone takes messages / LARGE_RATE, and a busy machine takes three times as long.
    seconds: seconds + (3 * messages) / LARGE_RATE,
    only: values.only,
    short: values.short,
    keep: values.keep,
  };
}
