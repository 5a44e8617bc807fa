import type { EarlyEnd } from '../../core/endpoint/early-ends.ts';
import type { ConsumerStats } from '../../postgres/tables/consumer-stats-table.ts';
import type { EndpointHealth } from '../../postgres/tables/endpoint-health-view.ts';
import type { Snapshot } from './sources.ts';

/** Returns the single line of `stats --json`. An unknown number is null, and `problems` gives the reason. */
export function statsJson(snapshot: Snapshot, now: Date): string {
  const {
    rows,
    endpoints,
    differing,
    early,
    group,
    findings,
    parked,
    scheduled,
    ordered,
    deadLetters,
    outbox,
  } = snapshot;
  const problems = [rows, group, endpoints, differing, outbox].filter((known) => typeof known === 'string');
  const isKnown = typeof rows !== 'string';
  const shown = typeof endpoints === 'string' ? null : endpoints;
  const waiting = typeof group === 'string' ? null : group;
  return `${JSON.stringify({
    at: now,
    workers: typeof rows === 'string' ? null : rows.map(workerOf),
    pending: waiting?.pending ?? null,
    ackPending: waiting?.ackPending ?? null,
    parked,
    scheduled,
    ordered,
    deadLetters,
    outbox: isKnown && typeof outbox !== 'string' ? outbox : null,
    endpoints: shown?.endpoints.map(endpointOf) ?? null,
    endpointsTotal: shown?.total ?? null,
    differingSettings: isKnown && typeof differing !== 'string' ? differing : null,
    configuration: findings.map(({ sentence, isProblem }) => ({ sentence, isProblem })),
    earlyEnds: isKnown ? early.shown.map(earlyEndOf) : null,
    earlyEndsTotal: isKnown ? early.shown.length + early.more : null,
    problems,
  })}\n`;
}

/** The field names are a contract with other programs, so they do not change with the names in the code. */
function workerOf(row: ConsumerStats) {
  return {
    name: row.consumerName,
    group: row.queueGroup,
    active: row.active,
    delivered: row.settled,
    acknowledged: row.acknowledged,
    retried: row.retried,
    deadLettered: row.deadLettered,
    parked: row.parked,
    redelivered: row.redelivered,
    dropped: row.discarded,
    rowsDropped: row.rowsDropped,
    avgProcessingMs: row.avgProcessingMs === null ? null : Number(row.avgProcessingMs),
    lastActiveAt: row.lastActiveAt,
  };
}

/** `endpoint`: the name of a row; null: messages that name their URL. */
function earlyEndOf({ endpoint, attempts, afterMs }: EarlyEnd) {
  return { endpoint, attempts, afterMs };
}

function endpointOf(endpoint: EndpointHealth) {
  return {
    key: endpoint.endpointKey,
    url: endpoint.url,
    state: endpoint.state,
    since: endpoint.since,
    inFlight: endpoint.inFlight,
    parked: endpoint.parked,
    successRate: endpoint.successShare,
    reason: endpoint.why,
    lastError: endpoint.lastError,
  };
}
