import { setTimeout as wait } from 'node:timers/promises';
import {
  type DefaultLimits,
  isLimited,
  NOTHING_SAID,
  type EndpointRules as ReadRules,
  roomRule,
  type Said,
} from '../../core/capacity/endpoint-limits.ts';
import type { Registry } from '../../core/endpoint/registry.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { within } from '../../runtime/within.ts';
import type { Rooms } from './admission.ts';

const READ_EVERY_MS = 1000;
const LAST_HOLDS = 'rule_nats_endpoints cannot be read now; what it said last holds';
const NEVER_READ =
  'rule_nats_endpoints cannot be read yet: until then no pause is known, and this worker takes caps and rates for itself alone';
/** By then, every peer has read that there is one worker more, in milliseconds. */
const LEARNED_MS = READ_EVERY_MS + 200;
/** How long deliveries wait for the first answer: what is paused stays paused over a restart. */
const FIRST_READ_MS = 2000;

export type LimitsOptions = {
  readonly defaults: DefaultLimits;
  /** Reads `rule_nats_endpoints`, and how many workers of the group run. Rejects while PostgreSQL is away. */
  read(): Promise<ReadRules>;
  readonly rooms: Pick<Rooms, 'obey'>;
  readonly log: Logger;
};

/**
 * Follows what operators say of endpoints in `rule_nats_endpoints`, and how many workers share what the group may do, and
 * makes the rooms obey. While PostgreSQL is away, what it said last holds.
 */
export class EndpointRules {
  readonly #options: LimitsOptions;
  #said: Said = NOTHING_SAID;
  #last = '';
  #isReading = false;
  #saidAway = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LimitsOptions) {
    this.#options = options;
    this.#apply();
  }

  /** Resolves when they were read, or could not be. */
  async start(): Promise<void> {
    await within(FIRST_READ_MS, this.#read());
    // Peers give up a part of what they may do when they see us: before that, we would come on top.
    if (this.#said.liveWorkers > 1 && isLimited(this.#options.defaults, this.#said)) await wait(LEARNED_MS);
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Something may be new. */
  look(): void {
    void this.#read();
  }

  /** The rows of `rule_webhooks` are others, or cannot be read, or can again. */
  registryChanged({ known, trouble }: { known: Registry | null; trouble: string | null }): void {
    const waiting = trouble === null ? NOTHING_SAID.waiting : this.#said.waiting;
    this.#said = { ...this.#said, registry: known, registryTrouble: trouble, waiting };
    this.#apply();
  }

  /** A message of this queue waits for the rows of `rule_webhooks`: none of it comes before they can be read. */
  waitsForRegistry(key: string): void {
    const { waiting, registry, registryTrouble } = this.#said;
    if (waiting.has(key) || (registry !== null && registryTrouble === null)) return;
    this.#said = { ...this.#said, waiting: new Set([...waiting, key]) };
    this.#apply();
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const read = await this.#options.read();
      this.#saidAway = false;
      const text = JSON.stringify([read.liveWorkers, [...read.rules]]);
      if (text === this.#last) return;
      this.#last = text;
      this.#said = { ...this.#said, ...read };
      this.#apply();
    } catch (error) {
      const message = { error: errorMessage(error) };
      if (!this.#saidAway) this.#options.log.warn(message, this.#last === '' ? NEVER_READ : LAST_HOLDS);
      this.#saidAway = true;
    } finally {
      this.#isReading = false;
    }
  }

  #apply(): void {
    const said = this.#said;
    const { rooms, defaults } = this.#options;
    rooms.obey((key) => roomRule(defaults, said, key));
  }
}
