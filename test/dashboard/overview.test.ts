import { describe, expect, it } from 'vitest';
import type { EndpointLine } from '../../src/dashboard/endpoints.ts';
import { type Overview, overviewRoute, type WorkerLine } from '../../src/dashboard/overview.ts';

const WORKER: WorkerLine = {
  consumerName: 'webhook-worker-1',
  active: true,
  settled: 9,
  acknowledged: 7,
  retried: 2,
  deadLettered: 0,
  parked: 1234,
  pending: 5,
  avgProcessingMs: 12.34,
};

const ENDPOINT: EndpointLine = {
  endpointKey: 'example-com-0a1b2c3d',
  url: 'https://example.com',
  state: 'failing',
  inFlight: 0,
  parked: 300,
  successShare: 0.996,
  lastError: 'HTTP 503 <b>',
  since: new Date('2030-01-10T12:00:00Z'),
  why: 'half of its attempts failed',
};

async function pageOf(overview: Partial<Overview> = {}): Promise<string> {
  const { handle } = overviewRoute({
    health: () => 'ok',
    workers: async () => [],
    unhealthyEndpoints: async () => ({ endpoints: [], total: 0 }),
    recentDeliveries: async () => [],
    ...overview,
  });
  return String((await handle()).body);
}

/** The cells of each row of the table below this title. */
function rowsBelow(title: string, page: string): string[][] {
  const table = page.slice(page.indexOf(`<h2>${title}`)).match(/<tbody>(.*?)<\/tbody>/)?.[1] ?? '';
  return [...table.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell!),
  );
}

describe('the overview page', () => {
  it('shows the counters of each worker', async () => {
    const page = await pageOf({ workers: async () => [WORKER] });
    expect(rowsBelow('Workers', page)).toEqual([
      ['webhook-worker-1', 'yes', '9', '7', '2', '0', '1234', '5', '12.3'],
    ]);
  });

  it('shows unhealthy endpoints, and escapes their errors as text', async () => {
    const page = await pageOf({ unhealthyEndpoints: async () => ({ endpoints: [ENDPOINT], total: 1 }) });
    expect(rowsBelow('Unhealthy endpoints', page)).toEqual([
      [
        'example-com-0a1b2c3d',
        'https://example.com',
        'failing',
        '2030-01-10 12:00:00',
        '0',
        '300',
        '99 %',
        'half of its attempts failed',
        'HTTP 503 &lt;b&gt;',
      ],
    ]);
  });

  it('leaves unknown values of an endpoint empty', async () => {
    const unknown = { ...ENDPOINT, parked: null, successShare: null, lastError: null, why: null };
    const page = await pageOf({ unhealthyEndpoints: async () => ({ endpoints: [unknown], total: 1 }) });
    expect(rowsBelow('Unhealthy endpoints', page)[0]!.slice(4)).toEqual(['0', '', '', '', '']);
  });

  it('shows the number of unhealthy endpoints if it cannot list all', async () => {
    const page = await pageOf({ unhealthyEndpoints: async () => ({ endpoints: [ENDPOINT], total: 2000 }) });
    expect(page).toContain('Unhealthy endpoints (1 of 2000)');
  });

  it('shows None if no endpoint is unhealthy', async () => {
    expect(await pageOf()).toContain('<h2>Unhealthy endpoints</h2><p>None.</p>');
  });

  it('shows an error if PostgreSQL does not answer', async () => {
    const page = await pageOf({ unhealthyEndpoints: () => Promise.reject(new Error('no connection')) });
    expect(page).toContain('PostgreSQL does not answer');
  });
});
