import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { type CopyOwner, DEFAULT_GROUP, isOfNamedGroup, parkedSubject } from '../streams/copy-subjects.ts';
import { listSubjects } from '../streams/list-subjects.ts';
import type { QueueSink } from './queue-consumer.ts';

/** How long a copy of another group is left alone, in milliseconds, before NATS delivers it again. */
const NOT_OURS_MS = 30_000;
const NONE: ReadonlyMap<string, number> = new Map();

/**
 * The parked copies that an earlier version of a named group stored, when subjects named no group. They look like copies of the default
 * group. So a copy is one of them only if it was there when this worker first looked, and if the stream had no durable of the default
 * group then and has none now.
 */
export class EarlierCopies {
  readonly #client: NatsClient;
  readonly #stream: string;
  readonly #owner: CopyOwner;
  /** The last sequence of the parked stream at the first look; null: not looked yet. 0: there are none. */
  #upTo: number | null;
  #counts = NONE;

  constructor(client: NatsClient, parkedStream: string, owner: CopyOwner) {
    this.#client = client;
    this.#stream = parkedStream;
    this.#owner = { ...owner, group: DEFAULT_GROUP };
    this.#upTo = owner.group === DEFAULT_GROUP ? 0 : null;
  }

  /** Counts the copies per queue. Empty when there are none left. */
  async list(): Promise<ReadonlyMap<string, number>> {
    if (this.#upTo === 0 || !this.#client.isConnected()) return NONE;
    try {
      const read = (await this.#hasDefaultGroup()) ? NONE : await this.#read();
      if (read === null) return this.#counts;
      this.#counts = read;
    } catch (error) {
      // Not known now: the last counts hold.
      if (isTemporary(error) || apiErrorCode(error) === ApiErrorCode.streamNotFound) return this.#counts;
      throw error;
    }
    // An empty list ends it: later copies are not of this group.
    if (this.#counts.size === 0) this.#upTo = 0;
    return this.#counts;
  }

  /** True if the queue holds such copies. */
  has(queueKey: string): boolean {
    return this.#counts.has(queueKey);
  }

  /** Passes on what is of this group, and gives back what the default group has stored meanwhile. */
  only(sink: QueueSink): QueueSink {
    const ungrouped = parkedSubject(this.#owner, '');
    return {
      capacity: () => sink.capacity(),
      onMessage: (message) => {
        const { storedSubject, position, reply } = message;
        const isUngrouped = !isOfNamedGroup(storedSubject.slice(ungrouped.length));
        if (!isUngrouped || position.sequence <= (this.#upTo ?? 0)) sink.onMessage(message);
        else this.#client.connection.publish(reply, `-NAK {"delay": ${NOT_OURS_MS * 1e6}}`);
      },
    };
  }

  /** Null: not known now. */
  async #read(): Promise<ReadonlyMap<string, number> | null> {
    const { manager } = this.#client;
    this.#upTo ??= (await manager.streams.info(this.#stream)).state.last_seq;
    const prefix = parkedSubject(this.#owner, '');
    const listed = await listSubjects(this.#client, this.#stream, `${prefix}>`);
    if (listed === null) return null;
    const counts = [...listed].map(([subject, count]) => [subject.slice(prefix.length), count] as const);
    return new Map(counts.filter(([key]) => !isOfNamedGroup(key)));
  }

  /** True without the right to ask, too: then the copies are left to the default group. */
  async #hasDefaultGroup(): Promise<boolean> {
    return this.#client.manager.consumers.info(this.#owner.sourceStream, DEFAULT_GROUP).then(
      () => true,
      (error) => {
        if (apiErrorCode(error) === ApiErrorCode.consumerNotFound) return false;
        if (isTemporary(error)) throw error;
        return true;
      },
    );
  }
}
