import { createInbox, type Msg, type NatsConnection } from 'nats';
import { UserError } from '../../../src/runtime/failure.ts';

export type Batch = {
  readonly connection: NatsConnection;
  readonly subject: string;
  readonly count: number;
  /** @param number From 0. */
  readonly dataOf: (number: number) => Uint8Array;
};

/** The most messages without a confirmation at once. One inbox receives all confirmations. */
const MAX_UNCONFIRMED = 4000;

/**
 * Stores many messages as fast as one connection allows. Resolves when the stream has confirmed every message.
 *
 * @throws {UserError} if the stream refuses a message.
 */
export async function publishBatch({ connection, subject, count, dataOf }: Batch): Promise<void> {
  const inbox = createInbox();
  let confirmed = 0;
  let refused: string | undefined;
  let awaited = 0;
  let wake = () => {};
  const subscription = connection.subscribe(inbox, {
    callback: (error, answer) => {
      refused ??= error?.message ?? refusalIn(answer);
      if (++confirmed >= awaited || refused !== undefined) wake();
    },
  });
  const reached = (number: number) =>
    new Promise<void>((resolve) => {
      awaited = number;
      wake = resolve;
    });
  for (let number = 0; number < count && refused === undefined; number++) {
    if (number - confirmed >= MAX_UNCONFIRMED) await reached(number - MAX_UNCONFIRMED / 2);
    connection.publish(subject, dataOf(number), { reply: inbox });
  }
  if (confirmed < count && refused === undefined) await reached(count);
  subscription.unsubscribe();
  if (refused !== undefined) throw new UserError(`The bench cannot publish to ${subject}: ${refused}`);
}

function refusalIn(answer: Msg): string | undefined {
  if (answer.data.length === 0) return 'no stream has this subject';
  return answer.json<{ error?: { description: string } }>().error?.description;
}
