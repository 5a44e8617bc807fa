import { createInbox, type Msg, type NatsConnection } from 'nats';
import { UserError } from '../../../src/runtime/failure.ts';

export type Flood = {
  readonly connection: NatsConnection;
  readonly subject: string;
  readonly count: number;
  /** @param number From 0. */
  readonly dataOf: (number: number) => Uint8Array;
};

/** Messages on their way at once; one inbox takes all confirmations. */
const MOST_UNDER_WAY = 4000;

/**
 * Stores many messages as quickly as one connection takes them. Resolves when the stream has confirmed each.
 *
 * @throws {UserError} where it refuses one.
 */
export async function flood({ connection, subject, count, dataOf }: Flood): Promise<void> {
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
    if (number - confirmed >= MOST_UNDER_WAY) await reached(number - MOST_UNDER_WAY / 2);
    connection.publish(subject, dataOf(number), { reply: inbox });
  }
  if (confirmed < count && refused === undefined) await reached(count);
  subscription.unsubscribe();
  if (refused !== undefined) throw new UserError(`The bench cannot publish to ${subject}: ${refused}`);
}

function refusalIn(answer: Msg): string | undefined {
  if (answer.data.length === 0) return 'no stream takes it';
  return answer.json<{ error?: { description: string } }>().error?.description;
}
