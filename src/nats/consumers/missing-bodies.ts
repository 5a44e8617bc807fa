import { type ApiError, type Msg, nanos } from 'nats';
import { parseInfo } from 'nats/lib/jetstream/jsmsg.js';
import { errorMessage } from '../../runtime/failure.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import { ApiErrorCode, apiErrorCode, jetStreamError } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { mayLackBody, replaceContent } from '../messages/raw-message.ts';

/** How long one read may take, in milliseconds. Below: a slow server looks like a missing right. Above: the ack wait may end. */
const READ_TIMEOUT_MS = 5000;
/** How long NATS keeps a message back whose body cannot be read, in milliseconds. Below: its delivery count grows faster. */
const GIVE_BACK_MS = 30_000;
/** How long nothing is pulled after a body could not be read, in milliseconds. Below: more messages are given back in vain. */
const BLOCKED_MS = 10_000;
const LOG_AGAIN_MS = 60_000;

type Stored = {
  readonly message?: { readonly hdrs?: string; readonly data?: string };
  readonly error?: ApiError;
};

/**
 * Reads the bodies that a durable with `headers_only` does not deliver from the stream. So an endpoint never gets a body that the
 * publisher did not write, and a message whose publisher wrote `Nats-Msg-Size` himself stays as it is.
 */
export class MissingBodies {
  readonly #client: NatsClient;
  readonly #stream: string;
  readonly #pass: (message: Msg) => void;
  readonly #reading = new Set<Promise<void>>();
  readonly #log = new ProblemLog({ againAfterMs: LOG_AGAIN_MS });
  #problem: string | null = null;
  #blockedUntil = 0;
  #hasGivenBack = false;

  /** @param pass Gets every message that is whole. */
  constructor(client: NatsClient, stream: string, pass: (message: Msg) => void) {
    this.#client = client;
    this.#stream = stream;
    this.#pass = pass;
  }

  /** How many messages wait for their bodies. */
  get pending(): number {
    return this.#reading.size;
  }

  /** Until when nothing is to be pulled, on the clock of `performance.now()`. */
  get blockedUntil(): number {
    return this.#blockedUntil;
  }

  /** Why bodies cannot be read; null: they can, or none was missing. */
  get problem(): string | null {
    return performance.now() < this.#blockedUntil ? this.#problem : null;
  }

  /** True if a message was given back. NATS counts its deliveries, although none of them was an attempt. */
  get hasGivenBack(): boolean {
    return this.#hasGivenBack;
  }

  /** @returns False if the message is whole. Else it is passed on when it is, or given back to NATS. */
  complete(message: Msg, onDone: () => void): boolean {
    if (!mayLackBody(message)) return false;
    const reading = this.#read(message)
      .then(
        () => {
          this.#log.clear();
          this.#pass(message);
        },
        (error) => this.#giveBack(message, error),
      )
      .finally(() => {
        this.#reading.delete(reading);
        onDone();
      });
    this.#reading.add(reading);
    return true;
  }

  /** Resolves when no message waits for its body. */
  async finished(): Promise<void> {
    await Promise.all(this.#reading);
  }

  async #read(message: Msg): Promise<void> {
    const { apiPrefix, connection } = this.#client;
    const seq = parseInfo(message.reply!).streamSequence;
    const subject = `${apiPrefix}.STREAM.MSG.GET.${this.#stream}`;
    const answer = await connection.request(subject, JSON.stringify({ seq }), { timeout: READ_TIMEOUT_MS });
    const { message: stored, error } = answer.json<Stored>();
    if (error !== undefined) throw jetStreamError(error);
    const bytes = (base64 = '') => Buffer.from(base64, 'base64');
    replaceContent(message, bytes(stored?.hdrs), bytes(stored?.data));
  }

  #giveBack(message: Msg, cause: unknown): void {
    this.#hasGivenBack = true;
    if (!this.#client.connection.isClosed())
      this.#client.connection.publish(message.reply!, `-NAK {"delay": ${nanos(GIVE_BACK_MS)}}`);
    // NATS has removed the message meanwhile, and delivers it to nobody again.
    if (apiErrorCode(cause) === ApiErrorCode.noMessageFound) return;
    const [stream, error] = [this.#stream, errorMessage(cause)];
    this.#problem = `the bodies of messages cannot be read from the stream ${stream}: ${error}`;
    this.#blockedUntil = performance.now() + BLOCKED_MS;
    const right = `${this.#client.apiPrefix}.STREAM.MSG.GET.${stream}`;
    const hint =
      `A consumer delivers only the headers of messages (headers_only), and the worker cannot read their bodies from the stream ${stream}. ` +
      `NATS keeps these messages until somebody undoes headers_only, or gives our user the right to publish to ${right}.`;
    this.#log.report(() => this.#client.log.error({ stream, error, hint }, 'message.body_unreadable'));
  }
}
