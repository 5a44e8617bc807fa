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
  const store = async (flush: StatisticsFlush) => (await storeFlush(database.pool, flush)).result;
  const storeState = async (endpoint: Partial<EndpointStateRow>, flush: Partial<StatisticsFlush> = {}) => {
    const stored = flushOf({ ...flush, endpoints: [endpointStateOf(endpoint)] });
    await store(stored as StatisticsFlush);
    return stored;
  };
  const states = async () =>
    (await rowsOf('SELECT state FROM rule_nats_endpoint_states')).map((r) => r.state);

  it('are shown as one worker has stored them', async () => {
    await storeState({
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

  it('of several workers are shown as one: the worst state, the sums, and the newest of the other values', async () => {
    await storeState({
      state: 'failing',
      inFlight: 1,
      parked: 300,
      failures: 9,
      since: NOON,
      why: 'it does not answer',
    });
    await storeState({
      state: 'failing',
      inFlight: 0,
      parked: 200,
      lastError: 'HTTP 503',
      since: NOON - 1000,
    });
    await storeState({
      state: 'flowing',
      inFlight: 4,
      successes: 3,
      lastError: 'HTTP 500',
      since: NOON - 2000,
    });
    expect(await health()).toMatchObject([
      {
        state: 'failing',
        in_flight: '5',
        parked: '200',
        success_share: '0.2500',
        last_error: 'HTTP 500',
        since: new Date(NOON - 1000),
        why: 'it does not answer',
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
  ])('are %s rather than %s if workers differ', async (worse, better) => {
    await storeState({ state: worse! });
    await storeState({ state: better! });
    expect(await health()).toMatchObject([{ state: worse }]);
  });

  it('of a worker that probes without messages do not count while another worker delivers', async () => {
    await storeState({ state: 'probing', inFlight: 0, parked: 0 });
    expect(await health()).toMatchObject([{ state: 'probing' }]);
    await storeState({ state: 'flowing', parked: 0 });
    expect(await health()).toMatchObject([{ state: 'flowing', workers: '2' }]);
    await storeState({ state: 'probing', inFlight: 1, parked: 0 });
    expect(await health()).toMatchObject([{ state: 'probing' }]);
  });

  it('have no success_share without attempts', async () => {
    await storeState({ successes: 0, failures: 0 });
    expect(await health()).toMatchObject([{ success_share: null, parked: null, last_error: null }]);
  });

  it('of two streams are kept apart', async () => {
    await storeState({ parked: 1 });
    await storeState({ parked: 2 }, { streamName: 'OTHERS' });
    expect(await health()).toMatchObject([
      { stream_name: 'OTHERS', parked: '2' },
      { stream_name: 'WEBHOOKS', parked: '1' },
    ]);
  });

  it('follow the flushes of a worker, and stay as they were if a flush does not name their endpoint', async () => {
    const { instanceId } = await storeState({ state: 'failing' });
    await storeState({ endpointKey: 'other-0a1b2c3d', state: 'full' }, { instanceId, number: 2 });
    await storeState({ state: 'flowing' }, { instanceId, number: 3 });
    expect(await health()).toMatchObject([{ state: 'flowing' }, { state: 'full' }]);
  });

  it('are not reset by an old flush that is sent again', async () => {
    const first = await storeState({ state: 'failing' });
    await storeState({ state: 'flowing' }, { instanceId: first.instanceId, number: 2 });
    expect(await store(first)).toBe('alreadyStored');
    expect(await health()).toMatchObject([{ state: 'flowing', workers: '1' }]);
  });

  it('that come twice in a flush are stored as the last one says', async () => {
    const endpoints = [endpointStateOf({ state: 'failing' }), endpointStateOf({ state: 'flowing' })];
    await store(flushOf({ endpoints }));
    expect(await health()).toMatchObject([{ state: 'flowing' }]);
  });

  it('of a stopped worker do not count any more', async () => {
    const { instanceId } = await storeState({ state: 'failing' });
    await storeState({ state: 'flowing' });
    await store(flushOf({ instanceId, number: 2, active: false }));
    expect(await health()).toMatchObject([{ state: 'flowing', workers: '1' }]);
  });

  it('of a killed worker do not count any more, even if no other worker is left to mark it inactive', async () => {
    await storeState({ state: 'failing' });
    await database.pool.query(
      `UPDATE rule_nats_worker_instances SET last_active_at = now() - interval '31 seconds'`,
    );
    expect(await health()).toEqual([]);
  });

  it('of an inactive worker count again when the worker flushes again', async () => {
    const { instanceId } = await storeState({ state: 'failing' });
    await database.pool.query('UPDATE rule_nats_worker_instances SET active = false');
    await store(flushOf({ instanceId, number: 2 }));
    expect(await health()).toMatchObject([{ state: 'failing' }]);
  });

  it('are stored without an error, whatever texts and numbers they have', async () => {
    const poison = `a\0b\ud800${'ü'.repeat(20_000)}`;
    const endpoints = [
      endpointStateOf({ endpointKey: poison, url: poison, lastError: poison, why: '"\\,{}\n' }),
      // The key is cut when it is stored, and is then the same.
      endpointStateOf({ endpointKey: `${poison}!`, inFlight: Number.NaN, waiting: -1, parked: 1e30 }),
      endpointStateOf({ inFlight: 1e12, successes: Number.POSITIVE_INFINITY, since: Number.NaN }),
    ];
    expect(await store(flushOf({ endpoints }))).toBe('stored');
    expect(await health()).toHaveLength(2);
  });

  it('are stored for 5 000 endpoints in one flush, and are shown for eight workers', async () => {
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
      await storeState({});
      expect(await maintained(Date.now() + 23 * HOUR_MS)).toBe(0);
      expect(await maintained(Date.now() + 25 * HOUR_MS)).toBe(1);
      expect(await states()).toEqual([]);
    });

    it('an hour after their worker stopped', async () => {
      const { instanceId } = await storeState({});
      await store(flushOf({ instanceId, number: 2, active: false }));
      expect(await maintained(Date.now() + HOUR_MS / 2)).toBe(0);
      expect(await maintained(Date.now() + 2 * HOUR_MS)).toBe(1);
    });

    it('if their worker is unknown', async () => {
      await storeState({ state: 'failing' });
      await database.pool.query('DELETE FROM rule_nats_worker_instances');
      await storeState({ state: 'flowing' });
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
      const runs = Array.from({ length: 4 }, () => maintained(Date.now() + 2 * HOUR_MS));
      const deleted = await Promise.all([
        ...runs,
        ...flushes.filter(({ active }) => active).map((flush) => store({ ...flush, number: 2 })),
      ]);
      expect(deleted.filter((one) => one === 'stored')).toHaveLength(10);
      await maintained(Date.now() + 2 * HOUR_MS);
      expect(await states()).toHaveLength(500);
    });
  });
});
