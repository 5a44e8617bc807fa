import { randomUUID } from 'node:crypto';
import type { Settings } from '../../config/settings.ts';
import { secretFingerprint } from '../../core/endpoint/signature.ts';
import {
  type DecidingSettings,
  FEATURES,
  type InstanceDescription,
  type LiveInstance,
} from '../../core/records/worker-instance.ts';
import { VERSION } from '../../runtime/version.ts';

/** What this process writes into its row, and how it appears among the live workers. */
export type OwnInstance = LiveInstance & InstanceDescription;

export function describeInstance(settings: Settings, alsoAllowedCidrs: readonly string[]): OwnInstance {
  return {
    instanceId: randomUUID(),
    name: settings.CONSUMER_NAME,
    version: VERSION,
    features: FEATURES,
    settings: decidingSettings(settings, alsoAllowedCidrs),
  };
}

/** The settings that decide what becomes of a message. Other programs read them in PostgreSQL: no secret, no password. */
function decidingSettings(settings: Settings, alsoAllowedCidrs: readonly string[]): DecidingSettings {
  return {
    ALLOWED_PRIVATE_CIDRS: sorted([...settings.ALLOWED_PRIVATE_CIDRS, ...alsoAllowedCidrs].map(rangeText)),
    ALLOWED_PORTS: [...new Set(settings.ALLOWED_PORTS)].sort((one, other) => one - other),
    EGRESS_PROXY: settings.EGRESS_PROXY === undefined ? null : originOf(settings.EGRESS_PROXY),
    MAX_ATTEMPTS: settings.MAX_ATTEMPTS,
    RETRY_SCHEDULE:
      settings.RETRY_SCHEDULE === undefined ? null : settings.RETRY_SCHEDULE.map((ms) => `${ms}ms`),
    BACKOFF_BASE_MS: settings.BACKOFF_BASE_MS,
    BACKOFF_MAX_MS: settings.BACKOFF_MAX_MS,
    RETRY_AFTER_MAX_MS: settings.RETRY_AFTER_MAX_MS,
    TERMINAL_STATUSES: [...new Set(settings.TERMINAL_STATUSES)].sort(),
    MAX_AGE_HOURS: settings.MAX_AGE_HOURS,
    ATTEMPT_TIMEOUT_MS: settings.ATTEMPT_TIMEOUT_MS,
    ENDPOINT_KEY: settings.ENDPOINT_KEY,
    DISABLED_ENDPOINT: settings.DISABLED_ENDPOINT,
    SIGNING_SECRET: sorted(settings.SIGNING_SECRET.map(secretFingerprint)),
  };
}

/** One text for one range, where it is a single address. */
function rangeText(cidr: string): string {
  return cidr.toLowerCase().replace(cidr.includes(':') ? /\/128$/ : /\/32$/, '');
}

function sorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

/** Without user and password. */
function originOf(proxy: string): string {
  const { protocol, host } = new URL(proxy);
  return `${protocol}//${host}`;
}
