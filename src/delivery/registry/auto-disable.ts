import type { EndpointRow } from '../../core/endpoint/row.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Admission } from '../admission/admission.ts';
import type { WebhookRegistry } from './webhook-registry.ts';

export type AutoDisableOptions = {
  readonly admission: Admission;
  readonly registry: WebhookRegistry;
  /** DISABLE_AFTER_HOURS; 0: never. */
  readonly disableAfterHours: number;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  now(): number;
};

const CHECK_EVERY_MS = 60_000;

/**
 * After this many failures in a row, an endpoint counts as failing. Fewer failures may be chance, even if `failing_since` of the
 * row is set.
 */
const MIN_FAILURES = 3;
const HOUR_MS = 3_600_000;
const FAILING =
  'Every attempt at the endpoint fails: ask its operator. The worker disables the row of the endpoint after';

/**
 * Disables an endpoint of `rule_webhooks` after DISABLE_AFTER_HOURS in which every attempt failed, with a warning half-way. The
 * start of that time is stored in the row, so that a restart of the worker does not reset it.
 *
 * @returns A function that stops the checks.
 */
export function autoDisable(options: AutoDisableOptions): () => void {
  const warned = new Set<number>();
  return every(CHECK_EVERY_MS, () => checkAll(options, warned));
}

/** Checks all endpoints once. @param warned Ids of the rows that the log has warned of. */
export async function checkAll(options: AutoDisableOptions, warned: Set<number>): Promise<void> {
  const { admission, registry, now, log } = options;
  try {
    for (const endpoint of admission.endpoints()) {
      const row = registry.known?.byKey(endpoint.key)?.row;
      if (row === undefined || !row.enabled) continue;
      if (row.failingSince !== null && endpoint.deliveredAt >= row.failingSince) {
        warned.delete(row.id);
        await registry.noteFailing(row, null);
      } else if (endpoint.failures >= MIN_FAILURES) {
        if (row.failingSince === null) await registry.noteFailing(row, now());
        else await check(row, now() - row.failingSince, options, warned);
      }
    }
  } catch (error) {
    // PostgreSQL is away: the next check tries again.
    log.debug({ error: errorMessage(error) }, 'registry.write_failed');
  }
}

async function check(
  row: EndpointRow,
  failingMs: number,
  { registry, disableAfterHours, log }: AutoDisableOptions,
  warned: Set<number>,
): Promise<void> {
  if (disableAfterHours === 0) return;
  const hours = Math.floor(failingMs / HOUR_MS);
  if (hours >= disableAfterHours) {
    await registry.disable(row, `every attempt has failed for ${hours} hours`, {
      failingSince: row.failingSince!,
    });
  } else if (2 * hours >= disableAfterHours && !warned.has(row.id)) {
    warned.add(row.id);
    log.warn(
      { endpoint: row.name, hours, disableAfterHours, hint: `${FAILING} ${disableAfterHours} hours.` },
      'endpoint.failing',
    );
  }
}
