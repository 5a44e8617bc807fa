import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EndpointStateRow } from '../../../src/core/records/endpoint-state.ts';
import type { StatisticsFlush } from '../../../src/core/records/statistics.ts';
import { maintain } from '../../../src/postgres/maintain.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { storeFlush } from '../../../src/postgres/store-flush.ts';
import { readUnhealthyEndpoints } from '../../../src/postgres/tables/endpoint-health-view.ts';
import { openDatabase, type TestDatabase } from '../database.ts';
import { endpointStateOf, flushOf } from '../records.ts';

const HOUR_MS = 3_600_000;
const NOON = Date.UTC(2030, 0, 10, 12);

describe('the states of endpoints', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(() => database.pool.query('TRUNCATE rule_nats_worker_instances, rule_nats_endpoint_states'));

  const rowsOf = async (sql: string) => (await database.pool.query(sql)).rows;
  const health = () => rowsOf('SELECT * FROM nats_endpoint_health ORDER BY stream_name, endpoint_key');
  const store = (flush: StatisticsFlush) => storeFlush(database.pool, flush);
  const saw = async (endpoint: Partial<EndpointStateRow>, flush: Partial<StatisticsFlush> = {}) => {
    const stored = flushOf({ ...flush, endpoints: [endpointStateOf(endpoint)] });
    await store(stored as StatisticsFlush);
    return stored;
  };
  const states = async () =>
    (await rowsOf('SELECT state FROM rule_nats_endpoint_states')).map((r) => r.state);

  it('are shown as one worker sees them', async () => {
    await saw({
      inFlight: 1,
      waiting: 2,
      parked: 300,
      successes: 1,
      failures: 2,
      lastError: 'HTTP 503',
      since: NOON,
      why: 'half of its attempts failed',
    });
    expect(await health()).toEqual([
      {
        stream_name: 'WEBHOOKS',
        endpoint_key: 'example-com-0a1b2c3d',
        url: 'https://example.com',
        state: 'failing',
        in_flight: '1',
        parked: '300',
        success_share: '0.3333',
        last_error: 'HTTP 503',
        since: new Date(NOON),
        why: 'half of its attempts failed',
        workers: '1',
        updated_at: expect.any(Date),
      },
    ]);
  });

  it('of two workers are one: the worst state, sums, and the newest word on the rest', async () => {
    await saw({ state: 'failing', inFlight: 1, parked: 300, failures: 9, since: NOON, why: 'it hangs' });
    await saw({ state: 'failing', inFlight: 0, parked: 200, lastError: 'HTTP 503', since: NOON - 1000 });
    await saw({ state: 'flowing', inFlight: 4, successes: 3, lastError: 'HTTP 500', since: NOON - 2000 });
    expect(await health()).toMatchObject([
      {
        state: 'failing',
        in_flight: '5',
        parked: '200',
        success_share: '0.2500',
        last_error: 'HTTP 500',
        since: new Date(NOON - 1000),
        why: 'it hangs',
        workers: '3',
      },
    ]);
  });

  it.each<EndpointStateRow['state'][]>([
    ['full', 'flowing'],
    ['silent', 'full'],
    ['probing', 'silent'],
    ['failing', 'probing'],
    ['paused', 'failing'],
  ])('are %s rather than %s where workers differ', async (worse, better) => {
    await saw({ state: worse! });
    await saw({ state: better! });
    expect(await health()).toMatchObject([{ state: worse }]);
  });

  it('are not those of a worker that has nothing to probe with, where another one delivers', async () => {
    await saw({ state: 'probing', inFlight: 0, parked: 0 });
    expect(await health()).toMatchObject([{ state: 'probing' }]);
    await saw({ state: 'flowing', parked: 0 });
    expect(await health()).toMatchObject([{ state: 'flowing', workers: '2' }]);
    await saw({ state: 'probing', inFlight: 1, parked: 0 });
    expect(await health()).toMatchObject([{ state: 'probing' }]);
  });

  it('have no share of successes without attempts', async () => {
    await saw({ successes: 0, failures: 0 });
    expect(await health()).toMatchObject([{ success_share: null, parked: null, last_error: null }]);
  });

  it('of two streams are kept apart', async () => {
    await saw({ parked: 1 });
    await saw({ parked: 2 }, { streamName: 'OTHERS' });
    expect(await health()).toMatchObject([
      { stream_name: 'OTHERS', parked: '2' },
      { stream_name: 'WEBHOOKS', parked: '1' },
    ]);
  });

  it('follow the flushes of a worker; what a flush does not name stays as it was', async () => {
    const { instanceId } = await saw({ state: 'failing' });
    await saw({ endpointKey: 'other-0a1b2c3d', state: 'full' }, { instanceId, number: 2 });
    await saw({ state: 'flowing' }, { instanceId, number: 3 });
    expect(await health()).toMatchObject([{ state: 'flowing' }, { state: 'full' }]);
  });

  it('are not set back by an old flush that is sent again', async () => {
    const first = await saw({ state: 'failing' });
    await saw({ state: 'flowing' }, { instanceId: first.instanceId, number: 2 });
    expect(await store(first)).toBe('alreadyStored');
    expect(await health()).toMatchObject([{ state: 'flowing', workers: '1' }]);
  });

  it('that are twice in a flush are stored as the last one', async () => {
    const endpoints = [endpointStateOf({ state: 'failing' }), endpointStateOf({ state: 'flowing' })];
    await store(flushOf({ endpoints }));
    expect(await health()).toMatchObject([{ state: 'flowing' }]);
  });

  it('of a worker that has stopped count no longer', async () => {
    const { instanceId } = await saw({ state: 'failing' });
    await saw({ state: 'flowing' });
    await store(flushOf({ instanceId, number: 2, active: false }));
    expect(await health()).toMatchObject([{ state: 'flowing', workers: '1' }]);
  });

  it('of a worker that died count no longer, though no peer is left to say so', async () => {
    await saw({ state: 'failing' });
    await database.pool.query(
      `UPDATE rule_nats_worker_instances SET last_active_at = now() - interval '31 seconds'`,
    );
    expect(await health()).toEqual([]);
  });

  it('of a worker that went silent count again when it comes back', async () => {
    const { instanceId } = await saw({ state: 'failing' });
    await database.pool.query('UPDATE rule_nats_worker_instances SET active = false');
    await store(flushOf({ instanceId, number: 2 }));
    expect(await health()).toMatchObject([{ state: 'failing' }]);
  });

  it('never stop a flush, whatever texts and numbers are in them', async () => {
    const poison = `a\0b\ud800${'ü'.repeat(20_000)}`;
    const endpoints = [
      endpointStateOf({ endpointKey: poison, url: poison, lastError: poison, why: '"\\,{}\n' }),
      // The same key as far as it is stored.
      endpointStateOf({ endpointKey: `${poison}!`, inFlight: Number.NaN, waiting: -1, parked: 1e30 }),
      endpointStateOf({ inFlight: 1e12, successes: Number.POSITIVE_INFINITY, since: Number.NaN }),
    ];
    expect(await store(flushOf({ endpoints }))).toBe('stored');
    expect(await health()).toHaveLength(2);
  });

  it('are stored for 5 000 endpoints in one flush, and shown from eight workers', async () => {
    const endpoints = Array.from({ length: 5000 }, (_, index) =>
      endpointStateOf({
        endpointKey: `host-${index}`,
        state: index % 2 ? 'failing' : 'flowing',
        parked: index,
      }),
    );
    for (let worker = 0; worker < 8; worker++) await store(flushOf({ endpoints }));
    expect(await rowsOf('SELECT count(*) FROM nats_endpoint_health WHERE workers = 8')).toEqual([
      { count: '5000' },
    ]);
    const { endpoints: shown, total } = await readUnhealthyEndpoints(database.pool, 'WEBHOOKS', 2);
    expect(shown.map(({ endpointKey, parked }) => [endpointKey, parked])).toEqual([
      ['host-4999', 4999],
      ['host-4997', 4997],
    ]);
    expect(total).toBe(2500);
  });

  describe('are deleted by maintenance', () => {
    const maintained = async (now: number) =>
      (await maintain(database.pool, { attemptRetentionDays: 7, now })).endpointStatesDeleted;

    it('a day after they were written', async () => {
      await saw({});
      expect(await maintained(Date.now() + 23 * HOUR_MS)).toBe(0);
      expect(await maintained(Date.now() + 25 * HOUR_MS)).toBe(1);
      expect(await states()).toEqual([]);
    });

    it('an hour after their worker stopped', async () => {
      const { instanceId } = await saw({});
      await store(flushOf({ instanceId, number: 2, active: false }));
      expect(await maintained(Date.now() + HOUR_MS / 2)).toBe(0);
      expect(await maintained(Date.now() + 2 * HOUR_MS)).toBe(1);
    });

    it('where nothing is known of their worker', async () => {
      await saw({ state: 'failing' });
      await database.pool.query('DELETE FROM rule_nats_worker_instances');
      await saw({ state: 'flowing' });
      expect(await maintained(Date.now())).toBe(1);
      expect(await states()).toEqual(['flowing']);
    });

    it('while workers flush', async () => {
      const flushes = Array.from({ length: 20 }, (_, index) =>
        flushOf({
          endpoints: Array.from({ length: 50 }, (_, one) => endpointStateOf({ endpointKey: `host-${one}` })),
          active: index % 2 === 0,
        }),
      );
      await Promise.all(flushes.map(store));
      const inAnHour = Array.from({ length: 4 }, () => maintained(Date.now() + 2 * HOUR_MS));
      const deleted = await Promise.all([
        ...inAnHour,
        ...flushes.filter(({ active }) => active).map((flush) => store({ ...flush, number: 2 })),
      ]);
      expect(deleted.filter((one) => one === 'stored')).toHaveLength(10);
      await maintained(Date.now() + 2 * HOUR_MS);
      expect(await states()).toHaveLength(500);
    });
  });
});
