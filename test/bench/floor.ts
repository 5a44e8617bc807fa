import { connect, createInbox, type Msg } from 'nats';
import { Agent, type Dispatcher } from 'undici';
import { benchTarget } from './target.ts';

/**
 * The least that any worker on this client and this HTTP library costs: ask for messages, send each as it is, ack.
 * No parsing, no checks, no retries, no statistics: what a worker adds is measured against it.
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

let underWay = 0;
let credits = 0;
let acks: string[] = [];

function pull(): void {
  const free = concurrency - underWay;
  if (credits > free / 2 || free === credits) return;
  nats.publish(pullSubject, `{"batch":${free - credits},"expires":${EXPIRES_MS * 1_000_000}}`, {
    reply: inbox,
  });
  credits = free;
}

nats.subscribe(inbox, {
  callback: (_error, message) => {
    if (message.reply) {
      underWay++;
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
    // Without it, undici takes this for a handler of its older kind.
    onRequestStart() {},
    onResponseEnd: () => done(reply),
    // Not acked: the message comes again, and the bench says that one came twice.
    onResponseError: () => done(undefined),
  };
  const headers = ['content-type', 'application/json', 'webhook-id', idPrefix + sequenceOf(reply)];
  agent.dispatch({ origin, path: pathname, method: 'POST', headers, body: message.data }, handler);
}

function done(reply: string | undefined): void {
  underWay--;
  if (reply !== undefined) acks.push(reply);
}

/** Newer servers put a domain and an account before it. */
function sequenceOf(reply: string): string {
  const tokens = reply.split('.');
  return tokens[tokens.length > 9 ? 7 : 5]!;
}

setInterval(() => {
  const said = acks;
  acks = [];
  for (const reply of said) nats.publish(reply, ACK);
  pull();
}, COALESCE_MS);
pull();
