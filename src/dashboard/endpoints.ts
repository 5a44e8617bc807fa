import { section, timeText } from './html.ts';

export type EndpointLine = {
  readonly endpointKey: string;
  readonly url: string;
  readonly state: string;
  readonly inFlight: number;
  /** Null if the number is not known. */
  readonly parked: number | null;
  /** 0 to 1; null without attempts. */
  readonly successShare: number | null;
  readonly lastError: string | null;
  readonly since: Date;
  readonly why: string | null;
};

export type UnhealthyEndpoints = { readonly endpoints: readonly EndpointLine[]; readonly total: number };

const COLUMNS = [
  'endpoint',
  'url',
  'state',
  'since',
  'in flight',
  'parked',
  'successes',
  'why',
  'last error',
];

export function endpointSection({ endpoints, total }: UnhealthyEndpoints): string {
  const title =
    total > endpoints.length
      ? `Unhealthy endpoints (${endpoints.length} of ${total})`
      : 'Unhealthy endpoints';
  return section(title, COLUMNS, endpoints.map(endpointCells), 'None.');
}

function endpointCells(endpoint: EndpointLine): string[] {
  return [
    endpoint.endpointKey,
    endpoint.url,
    endpoint.state,
    timeText(endpoint.since),
    String(endpoint.inFlight),
    endpoint.parked === null ? '' : String(endpoint.parked),
    endpoint.successShare === null ? '' : `${Math.floor(100 * endpoint.successShare)} %`,
    endpoint.why ?? '',
    endpoint.lastError ?? '',
  ];
}
