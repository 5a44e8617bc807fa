import type { DecidingSettings } from '../records/worker-instance.ts';
import { createAddressRules } from './address.ts';

/** Where a request would go. */
export type Destination = {
  readonly hostname: string;
  readonly port: number;
  /** What the name resolves to; undefined if it was not resolved. */
  readonly addresses: readonly string[] | undefined;
};

/**
 * True if a worker with these settings surely forbids the destination. False if it may allow it, or if nobody knows: its settings
 * are not known, or cannot be read.
 */
export function surelyForbids(settings: DecidingSettings | null, destination: Destination): boolean {
  if (settings === null) return false;
  const { ALLOWED_PRIVATE_CIDRS: allowedCidrs, ALLOWED_PORTS: allowedPorts, EGRESS_PROXY: proxy } = settings;
  if (!isTexts(allowedCidrs) || !isNumbers(allowedPorts)) return false;
  try {
    const { check, checkHost, checkPort } = createAddressRules({ allowedCidrs, allowedPorts });
    if (checkHost(destination.hostname) !== null || checkPort(destination.port) !== null) return true;
    // A proxy resolves the names itself, and decides.
    return proxy === null && (destination.addresses?.some((address) => check(address) !== null) ?? false);
  } catch {
    // A range that this version cannot read.
    return false;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'number');
}
