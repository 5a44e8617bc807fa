import { describeEarlyEnd, earlyEnds } from '../../core/endpoint/early-ends.ts';
import type { EndpointRow } from '../../core/endpoint/row.ts';
import type { RetryPolicy } from '../../core/retry/verdict.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { WebhookRegistry } from './webhook-registry.ts';

/** How many rows one line of the log names. Further rows are counted. */
const NAMED = 20;
const HINT =
  'An outage of an endpoint that lasts longer turns its messages into dead letters. RETRY_SCHEDULE=standard, and retry_schedule of a row of rule_webhooks, retry for days.';

/**
 * Logs at the start which retry policies give up within an hour: the one of the settings, and those of rows.
 *
 * @param maxAgeMs MAX_AGE_HOURS, in milliseconds; 0: no limit.
 */
export function logEarlyEnds(
  registry: Pick<WebhookRegistry, 'known'>,
  retries: RetryPolicy,
  maxAgeMs: number,
  log: Logger,
): void {
  const { known } = registry;
  const isWrong = ({ id }: EndpointRow) => known?.byId(id)?.problem() !== null;
  const { shown, more } = earlyEnds(retries, rowsOf(known), maxAgeMs, NAMED, isWrong);
  if (shown.length === 0) return;
  log.warn({ ends: shown.map(describeEarlyEnd), more, hint: HINT }, 'retries.end_early');
}

function* rowsOf(known: WebhookRegistry['known']) {
  for (const { row } of known?.endpoints() ?? []) yield row;
}
