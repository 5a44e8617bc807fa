import { connect, createInbox, type Msg } from 'nats';
import { Agent, type Dispatcher } from 'undici';
import { benchTarget } from './target.ts';

/**
 * The minimum cost of any worker with this NATS client and this HTTP library: pull messages, send each message as it is, ack.
 * There is no parsing, no check, no retry and no statistics. Workers are compared with this floor.
 */
const { servers, user, pass, stream, durable, concurrency, url, idPrefix } = benchTarget();
const nats = await connect({ servers: [...servers], ...(user && { user }), ...(pass && { pass }) });
const agent = new Agent();
const { origin, pathname } = new URL(url);
const pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
const inbox = createInbox();
const ACK = Buffer.from('+ACK');
const EXPIRES_MS = 60_000;
const COALESCE_MS = 5;

let inFlight = 0;
let credits = 0;
let acks: string[] = [];

function pull(): void {
  const free = concurrency - inFlight;
  if (credits > free / 2 || free === credits) return;
  nats.publish(pullSubject, `{"batch":${free - credits},"expires":${EXPIRES_MS * 1_000_000}}`, {
    reply: inbox,
  });
  credits = free;
}

nats.subscribe(inbox, {
  callback: (_error, message) => {
    if (message.reply) {
      inFlight++;
      credits--;
      post(message, message.reply);
    } else {
      credits = 0;
      pull();
    }
  },
});

function post(message: Msg, reply: string): void {
  const handler: Dispatcher.DispatchHandler = {
    // Without this method, undici treats the object as a handler of its older kind.
    onRequestStart() {},
    onResponseEnd: () => done(reply),
    // The message is not acked. NATS redelivers it, and the bench reports a message that arrived twice.
    onResponseError: () => done(undefined),
  };
  const headers = ['content-type', 'application/json', 'webhook-id', idPrefix + sequenceOf(reply)];
  agent.dispatch({ origin, path: pathname, method: 'POST', headers, body: message.data }, handler);
}

function done(reply: string | undefined): void {
  inFlight--;
  if (reply !== undefined) acks.push(reply);
}

/** Newer servers have a domain and an account before the sequence. */
function sequenceOf(reply: string): string {
  const tokens = reply.split('.');
  return tokens[tokens.length > 9 ? 7 : 5]!;
}

setInterval(() => {
  const sending = acks;
  acks = [];
  for (const reply of sending) nats.publish(reply, ACK);
  pull();
}, COALESCE_MS);
pull();
