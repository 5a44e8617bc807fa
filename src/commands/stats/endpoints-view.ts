import type { UnhealthyEndpoints } from '../../postgres/tables/endpoint-health-view.ts';
import { type Column, textTable } from '../../runtime/text-table.ts';
import { ago } from './ago.ts';

/** How many unhealthy endpoints `stats` and the page show. Further endpoints are only counted. */
export const ENDPOINTS_SHOWN = 20;

const COLUMNS: readonly Column[] = [
  { name: 'unhealthy endpoint' },
  { name: 'key' },
  { name: 'state' },
  { name: 'since', align: 'right' },
  { name: 'in flight', align: 'right' },
  { name: 'parked', align: 'right' },
  { name: 'successes', align: 'right' },
  { name: 'why' },
  { name: 'last error' },
];

/** The lines of `stats` for unhealthy endpoints. None if all endpoints are healthy. */
export function endpointLines({ endpoints, total }: UnhealthyEndpoints, now: Date): string[] {
  if (endpoints.length === 0) return [];
  const cells = endpoints.map((endpoint) => [
    endpoint.url,
    endpoint.endpointKey,
    endpoint.state,
    ago(now, endpoint.since),
    String(endpoint.inFlight),
    endpoint.parked === null ? null : String(endpoint.parked),
    endpoint.successShare === null ? null : `${Math.floor(100 * endpoint.successShare)} %`,
    endpoint.why,
    endpoint.lastError,
  ]);
  const more = total - endpoints.length;
  return [
    textTable(COLUMNS, cells).trimEnd(),
    ...(more > 0 ? [`and ${more} more: SELECT * FROM nats_endpoint_health WHERE state <> 'flowing'`] : []),
  ];
}
