import type { Reply, Route } from '../runtime/route.ts';
import { endpointSection, type UnhealthyEndpoints } from './endpoints.ts';
import { escapeHtml, section, timeText } from './html.ts';

/** The data of the page. Texts are shown unchanged, so no text may hold a secret. */
export interface Overview {
  /** `ok`, or what is wrong. */
  health(): string;
  workers(): Promise<readonly WorkerLine[]>;
  /** The endpoints that are not `flowing`, and the number of all of them. */
  unhealthyEndpoints(): Promise<UnhealthyEndpoints>;
  /** The newest first. */
  recentDeliveries(): Promise<readonly DeliveryLine[]>;
}

export type WorkerLine = {
  readonly consumerName: string;
  readonly active: boolean;
  readonly settled: number;
  readonly acknowledged: number;
  readonly retried: number;
  readonly deadLettered: number;
  readonly parked: number;
  readonly pending: number;
  /** Null before the first delivery. */
  readonly avgProcessingMs: number | null;
};

export type DeliveryLine = {
  readonly deliveryId: string;
  readonly subject: string;
  readonly url: string | null;
  readonly status: string;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly lastAt: Date | null;
};

/**
 * The page at `/`: the workers, the endpoints that are not `flowing`, and the newest deliveries. Reloads every 2 s, without
 * script.
 */
export function overviewRoute(overview: Overview): Route {
  return {
    method: 'GET',
    path: '/',
    async handle() {
      return page(overview.health(), await sections(overview));
    },
  };
}

async function sections(overview: Overview): Promise<string> {
  try {
    const [workers, unhealthy, deliveries] = await Promise.all([
      overview.workers(),
      overview.unhealthyEndpoints(),
      overview.recentDeliveries(),
    ]);
    return (
      section('Workers', WORKER_COLUMNS, workers.map(workerCells), 'No worker has reported yet.') +
      endpointSection(unhealthy) +
      section(
        'Newest deliveries',
        DELIVERY_COLUMNS,
        deliveries.map(deliveryCells),
        'Nothing was delivered yet.',
      )
    );
  } catch {
    // Deliveries go on without PostgreSQL; only this page needs it.
    return '<p>PostgreSQL does not answer, so there is nothing to show now. Deliveries go on.</p>';
  }
}

const WORKER_COLUMNS = [
  'worker',
  'active',
  'settled',
  'acknowledged',
  'retried',
  'dead letters',
  'parked',
  'pending',
  'average ms',
];

function workerCells(worker: WorkerLine): string[] {
  return [
    worker.consumerName,
    worker.active ? 'yes' : 'no',
    String(worker.settled),
    String(worker.acknowledged),
    String(worker.retried),
    String(worker.deadLettered),
    String(worker.parked),
    String(worker.pending),
    worker.avgProcessingMs === null ? '' : worker.avgProcessingMs.toFixed(1),
  ];
}

const DELIVERY_COLUMNS = [
  'last attempt',
  'webhook-id',
  'subject',
  'endpoint',
  'status',
  'attempts',
  'last error',
];

function deliveryCells(delivery: DeliveryLine): string[] {
  return [
    delivery.lastAt === null ? '' : timeText(delivery.lastAt),
    delivery.deliveryId,
    delivery.subject,
    delivery.url ?? '',
    delivery.status,
    String(delivery.attempts),
    delivery.lastError ?? '',
  ];
}

function page(health: string, body: string): Reply {
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width"><title>nats-webhook-worker</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;overflow-wrap:anywhere}
</style></head><body><h1>nats-webhook-worker</h1><p>Health: <strong>${escapeHtml(health)}</strong></p>${body}
<p>More by SQL: <code>nats_deliveries</code>, <code>nats_endpoint_health</code>, <code>nats_recent_failures</code>, <code>nats_error_patterns</code>.</p></body></html>
`,
  };
}
