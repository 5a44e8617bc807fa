import type { Settings } from '../../config/settings.ts';
import { createAddressRules } from '../../core/endpoint/address.ts';
import { type Signing, signingOf } from '../../core/endpoint/signature.ts';
import { createSender } from '../../http/sender.ts';
import { VERSION } from '../../runtime/version.ts';

/** Wires the HTTP sender, with its address rules. */
export function assembleSender(settings: Settings, alsoAllowedCidrs: readonly string[]) {
  return createSender({
    attemptTimeoutMs: settings.ATTEMPT_TIMEOUT_MS,
    connectTimeoutMs: settings.CONNECT_TIMEOUT_MS,
    maxResponseBytes: settings.MAX_RESPONSE_BYTES,
    egressProxy: settings.EGRESS_PROXY,
    mostConnections: settings.CONCURRENCY + settings.MAX_IDLE_CONNECTIONS,
    addressRules: createAddressRules({
      allowedPorts: settings.ALLOWED_PORTS,
      allowedCidrs: [...settings.ALLOWED_PRIVATE_CIDRS, ...alsoAllowedCidrs],
    }),
    signing: signingOf(settings.SIGNING_SECRET, false) as Signing | null,
    userAgent: `nats-webhook-worker/${VERSION}`,
  });
}
