import type { EndpointRow } from '../../core/endpoint/row.ts';
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

/** Fewer in a row are no sign of anything, whatever was noted long ago. */
const MIN_FAILURES = 3;
const HOUR_MS = 3_600_000;
const FAILING =
  'The endpoint answers nothing but failures: ask its operator. The worker disables the row of the endpoint after';

/**
 * Endpoints of `rule_webhooks` that fail, and for how long: what answers nothing but failures for DISABLE_AFTER_HOURS is
 * disabled, after a warning half-way. Since when is kept in the row, so that restarts do not begin it anew.
 *
 * @returns what ends it.
 */
export function autoDisable(options: AutoDisableOptions): () => void {
  const warned = new Set<number>();
  const timer = setInterval(() => void checkAll(options, warned), CHECK_EVERY_MS);
  return () => clearInterval(timer);
}

/** One look at all of them. @param warned Those that the log has warned of. */
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
    // PostgreSQL is away: the next look will do.
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
    await registry.disable(row, `it has answered nothing but failures for ${hours} hours`, {
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
