import type { NatsHeaders } from '../request/headers.ts';
import { Header } from './nats-headers.ts';

/** Of `time.ParseDuration` in Go, which nats-server reads the header with. */
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5
  μs: 1e-3, // U+03BC
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const DURATION = new RegExp(`^\\+?(?:${PART.source})+$`);
const SECONDS = /^\d+$/;
const SHORTEST_MS = 1000;

const ACCEPTED =
  'give whole seconds from 1, a duration of Go of at least one second such as 90s or 1h30m, or never';

/**
 * Reads `Nats-TTL` as nats-server does: whole seconds, a duration of Go of at least one second, of which the server uses the whole
 * seconds, or `never`. An empty header counts as absent.
 *
 * @returns Milliseconds from the publication on; null: there is no end.
 */
export function timeToLive(message: NatsHeaders): number | null | { readonly problem: string } {
  const text = message.header(Header.timeToLive)?.trim();
  if (!text || text.toLowerCase() === 'never') return null;
  const ms = SECONDS.test(text) ? Number(text) * 1000 : goDuration(text);
  if (ms === null || ms < SHORTEST_MS)
    return { problem: `the NATS header ${Header.timeToLive} is not a time to live: ${ACCEPTED}` };
  return Math.floor(ms / 1000) * 1000;
}

/** True if NATS may remove the message from the stream that it was published to, before a worker has settled the message. */
export function hasTimeToLive(message: NatsHeaders): boolean {
  return typeof timeToLive(message) === 'number';
}

function goDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  const parts = [...text.matchAll(PART)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNIT_MS[unit!]!, 0);
}
