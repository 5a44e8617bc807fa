import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import type { Registry } from '../core/registry.ts';
import type { Rooms } from '../delivery/rooms.ts';
import { readEndpointRules } from '../postgres/endpoints-table.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { within } from '../runtime/within.ts';
import { isLimited, NOTHING_SAID, roomRule, type Said } from './room-rule.ts';

const READ_EVERY_MS = 1000;
const LAST_HOLDS = 'rule_nats_endpoints cannot be read now; what it said last holds';
const NEVER_READ =
  'rule_nats_endpoints cannot be read yet: until then no pause is known, and this worker takes caps and rates for itself alone';
/** By then, every peer has read that there is one worker more, in milliseconds. */
const LEARNED_MS = READ_EVERY_MS + 200;
/** How long deliveries wait for the first answer: what is paused stays paused over a restart. */
const FIRST_READ_MS = 2000;

/**
 * Follows what operators say of endpoints in `rule_nats_endpoints`, and how many workers share what the group may do, and
 * makes the rooms obey. While PostgreSQL is away, what it said last holds.
 */
export class EndpointRules {
  readonly #settings: Settings;
  readonly #pool: pg.Pool;
  readonly #rooms: Rooms;
  readonly #log: Logger;
  #said: Said = NOTHING_SAID;
  #last = '';
  #isReading = false;
  #saidAway = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: Settings, pool: pg.Pool, rooms: Rooms, log: Logger) {
    this.#settings = settings;
    this.#pool = pool;
    this.#rooms = rooms;
    this.#log = log;
    this.#apply();
  }

  /** Resolves when they were read, or could not be. */
  async start(): Promise<void> {
    await within(FIRST_READ_MS, this.#read());
    // Peers give up a part of what they may do when they see us: before that, we would come on top.
    if (this.#said.liveWorkers > 1 && isLimited(this.#settings, this.#said)) await wait(LEARNED_MS);
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
    const { STREAM_NAME: streamName, QUEUE_GROUP: queueGroup } = this.#settings;
    try {
      const read = await readEndpointRules(this.#pool, { streamName, queueGroup });
      this.#saidAway = false;
      const text = JSON.stringify([read.liveWorkers, [...read.rules]]);
      if (text === this.#last) return;
      this.#last = text;
      this.#said = { ...this.#said, ...read };
      this.#apply();
    } catch (error) {
      const message = { error: errorMessage(error) };
      if (!this.#saidAway) this.#log.warn(message, this.#last === '' ? NEVER_READ : LAST_HOLDS);
      this.#saidAway = true;
    } finally {
      this.#isReading = false;
    }
  }

  #apply(): void {
    const said = this.#said;
    this.#rooms.obey((key) => roomRule(this.#settings, said, key));
  }
}
