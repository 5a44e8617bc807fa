// Judges faults of `npm run chaos -- --keep DIR` by their files alone: node test/chaos/judge.mjs DIR/*
// It shares no code with the chaos program or the workers, so that no mistake in their code hides here, too. A folder has
//   accepted.ndjson      per message that must arrive: id, publishedAt, endpoints, maxAttempts; where it is so, notBefore (no
//                        request earlier), orderedBy (its ordering key) and sequence, measured (counts for the p99)
//   refused.ndjson       per message that must not arrive (rolled back, or surely not stored): id, endpoint
//   requests.ndjson      per request:     id, endpoint, at, answer (the status, or null), answeredAt
//   dead-letters.ndjson  per dead letter: id, endpoint, reason, attempts
// Times are milliseconds since 1970. Prints a line of JSON per folder. Exits with 1 if a promise was broken.
import { readFileSync } from 'node:fs';

const BROKEN = ['undeserved', 'lost', 'misrouted', 'outOfOrder', 'early', 'unwanted'];
const isSuccess = ({ answer }) => answer >= 200 && answer < 300;
const count = (list, test) => list.filter(test).length;
const keyOf = ({ id, endpoint }) => `${id} ${endpoint}`;

function read(folder, name) {
  const lines = readFileSync(`${folder}/${name}.ndjson`, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

function groupBy(list, key) {
  const groups = new Map();
  for (const one of list) {
    if (!groups.has(key(one))) groups.set(key(one), []);
    groups.get(key(one)).push(one);
  }
  return groups;
}

/** The requests before an earlier message of the queue was answered with a 2xx or given up, or after a later one was sent. */
function outOfOrder(queue) {
  const inOrder = queue.sort((a, b) => a.sequence - b.sequence);
  const isTooSoon = (at, earlier) => !earlier.isGivenUp && at < earlier.doneAt;
  const isTooLate = (at, later) => later.all.some((request) => request.at < at);
  const isWrong = (at, index) =>
    inOrder.some((other, n) => (n < index ? isTooSoon(at, other) : n > index && isTooLate(at, other)));
  return inOrder.flatMap(({ all }, index) => all.filter(({ at }) => isWrong(at, index)));
}

function judge(folder) {
  const accepted = read(folder, 'accepted');
  const deadLetters = read(folder, 'dead-letters');
  const requests = read(folder, 'requests').sort((a, b) => a.at - b.at);
  const sent = groupBy(requests, keyOf);
  const givenUp = groupBy(deadLetters, keyOf);
  const published = new Map(accepted.map((message) => [message.id, message]));
  const requestsOf = (one) => sent.get(keyOf(one)) ?? [];
  const maxAttemptsOf = ({ id, attempts }) => published.get(id)?.maxAttempts ?? attempts;
  const deliveries = accepted.flatMap(({ endpoints, ...message }) =>
    endpoints.map((endpoint) => {
      const all = requestsOf({ ...message, endpoint });
      const doneAt = Math.min(...all.filter(isSuccess).map(({ answeredAt }) => answeredAt));
      const isGivenUp = givenUp.has(keyOf({ ...message, endpoint }));
      return { ...message, endpoint, all, doneAt, isDelivered: Number.isFinite(doneAt), isGivenUp };
    }),
  );

  function hasOtherAttempts(deadLetter) {
    const requestCount = requestsOf(deadLetter).length;
    return requestCount !== deadLetter.attempts || requestCount > maxAttemptsOf(deadLetter);
  }

  /** True if the endpoint never accepted the webhook, and refused it for ever, or as often as the webhook may be tried. */
  function isDeserved(deadLetter) {
    const all = requestsOf(deadLetter);
    const isGone = deadLetter.reason === 'gone' && all.at(-1)?.answer === 410;
    const isExhausted = deadLetter.reason === 'exhausted' && all.length >= maxAttemptsOf(deadLetter);
    return !all.some(isSuccess) && (isGone || isExhausted);
  }

  function p99(group) {
    const measured = deliveries.filter((one) => one.measured === group && one.isDelivered);
    const times = measured.map(({ doneAt, publishedAt }) => doneAt - publishedAt).sort((a, b) => a - b);
    return times[Math.ceil(0.99 * times.length) - 1] ?? null;
  }

  const ordered = deliveries.filter(({ orderedBy }) => orderedBy !== undefined);
  const queues = groupBy(ordered, ({ orderedBy, endpoint }) => `${orderedBy} ${endpoint}`);
  return {
    accepted: accepted.length,
    delivered: count(deliveries, ({ isDelivered }) => isDelivered),
    deadLetters: count(deliveries, ({ isDelivered, isGivenUp }) => isGivenUp && !isDelivered),
    undeserved: count(deadLetters, (one) => !isDeserved(one)),
    otherAttempts: count(deadLetters, hasOtherAttempts),
    lost: count(deliveries, ({ isDelivered, isGivenUp }) => !isDelivered && !isGivenUp),
    doubled: count(requests, isSuccess) - count([...sent.values()], (all) => all.some(isSuccess)),
    misrouted: count(requests, (one) => published.get(one.id)?.endpoints.includes(one.endpoint) === false),
    outOfOrder: [...queues.values()].flatMap(outOfOrder).length,
    early: count(deliveries, ({ all, notBefore = 0 }) => all.some(({ at }) => at < notBefore)),
    unwanted: count(read(folder, 'refused'), (one) => requestsOf(one).length > 0),
    p99Ms: { control: p99('control'), beside: p99('beside') },
  };
}

for (const folder of process.argv.slice(2)) {
  const verdict = judge(folder);
  process.stdout.write(`${JSON.stringify({ folder, ...verdict })}\n`);
  if (BROKEN.some((promise) => verdict[promise] > 0)) process.exitCode = 1;
}
