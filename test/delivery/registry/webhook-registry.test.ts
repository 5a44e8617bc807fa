import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { WebhookRegistry } from '../../../src/delivery/registry/webhook-registry.ts';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';
import { HandClock } from '../../support/hand-clock.ts';
import { RowsInMemory } from './rows-in-memory.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};

function registryOf(rows: RowsInMemory, clock: Clock = systemClock) {
  const lines: string[] = [];
  const registry = new WebhookRegistry({
    policy: { retries: RETRIES, disabled: 'park' },
    subjects: ['webhooks.*', 'webhooks.ordered.*'],
    rows,
    clock,
    log: pino({}, { write: (line) => lines.push(line) }),
  });
  return { registry, logged: () => lines.join('') };
}

async function started(rows: RowsInMemory, clock: Clock = systemClock) {
  const { registry, logged } = registryOf(rows, clock);
  await registry.start();
  await registry.stop();
  return { registry, logged: logged() };
}

function away(): never {
  throw new Error('away');
}

it('the registry logs a read that failed, and does not mention last known rows if there are none', async () => {
  const rows = new RowsInMemory();
  rows.before = () => Promise.reject(new Error('permission denied for table rule_webhooks'));
  const { registry, logged } = await started(rows);
  expect(registry.problem).toBe('rule_webhooks: permission denied for table rule_webhooks');
  expect(registry.known).toBeNull();
  expect(JSON.parse(logged)).toMatchObject({
    msg: 'registry.read_failed',
    error: 'permission denied for table rule_webhooks',
    hint: expect.stringContaining('messages without a URL are parked'),
  });
});

it('the registry logs an invalid row before a message needs the row, and does not log its secret', async () => {
  const { registry, logged } = await started(new RowsInMemory([registeredRow({ secrets: ['no$ense'] })]));
  expect(registry.problem).toBeNull();
  expect(logged).toContain('"msg":"endpoint.invalid"');
  expect(logged).toContain('a signing_secret in rule_webhook_secrets is not whsec_<base64>');
  expect(logged).not.toContain('no$ense');
});

it('the registry reads once more for all concurrent calls of refreshed, and its snapshot has the start time of that read', async () => {
  const rows = new RowsInMemory([registeredRow()]);
  const { registry } = await started(rows);
  const before = performance.now();
  await Promise.all([registry.refreshed(), registry.refreshed(), registry.refreshed()]);
  expect(rows.asked).toEqual(['state', 'versions of 1', 'rows 1', 'state']);
  expect(registry.snapshot!.asOf).toBeGreaterThanOrEqual(before);
});

it('the registry keeps the time of its snapshot if it cannot read again', async () => {
  const rows = new RowsInMemory([registeredRow()]);
  const { registry } = await started(rows);
  const known = registry.snapshot!.asOf;
  rows.before = away;
  await registry.refreshed();
  expect([registry.snapshot!.asOf, registry.problem]).toEqual([known, 'rule_webhooks: away']);
});

it('the registry reports a read without an answer within 5 s as a problem, until the answer comes', async () => {
  const clock = new HandClock();
  let answer = () => {};
  const rows = new RowsInMemory([registeredRow()]);
  const { registry } = await started(rows, clock);
  rows.before = () => new Promise<void>((resolve) => (answer = resolve));
  await clock.advanceAsync(250);
  const renewed = registry.refreshed();
  await clock.advanceAsync(4999);
  expect(registry.problem).toBeNull();
  await clock.advanceAsync(1);
  expect(registry.problem).toBe('rule_webhooks: no answer within 5 s');
  answer();
  await renewed;
  expect(registry.problem).toBeNull();
});

it('the registry logs its first read, with the number of rows', async () => {
  const { logged } = await started(new RowsInMemory([registeredRow()]));
  expect(JSON.parse(logged)).toMatchObject({ msg: 'registry.read', rows: 1, tookMs: expect.any(Number) });
});

it.each([
  ['webhook.orders', true],
  ['webhooks.orders.created', true],
  ['webhooks.orders', false],
  ['webhooks.ordered.customer-17', false],
  ['webhooks.orders.*', false],
  [null, false],
])('the registry logs that no consumer takes the nats_subject %s of a row: %s', async (natsSubject, isLogged) => {
  const { logged } = await started(new RowsInMemory([registeredRow({ natsSubject })]));
  expect(logged.includes('"msg":"endpoint.unreachable_subject"')).toBe(isLogged);
});

describe('the registry follows the rows', () => {
  const names = (registry: WebhookRegistry) =>
    [...registry.known!.endpoints()].map(({ row }) => row.name).sort();

  /** A registry that is running, with three rows, and what it told its listeners. */
  async function running() {
    const rows = new RowsInMemory([1, 2, 3].map((id) => registeredRow({ id, name: `n${id}` })));
    const clock = new HandClock();
    const { registry, logged } = registryOf(rows, clock);
    const told: (readonly string[] | null)[] = [];
    registry.onChanged((keys) => told.push(keys === null ? null : [...keys]));
    await registry.start();
    told.length = rows.asked.length = 0;
    /** Lets the reads end that have begun. */
    const settled = () => clock.advanceAsync(0);
    return { rows, clock, registry, told, settled, logged };
  }

  it('reads only the rows that a notification names, and tells the keys of their endpoints', async () => {
    const { rows, registry, told, settled } = await running();
    const [before] = registry.known!.find('x.n2');
    rows.put({ id: 2, name: 'renamed' });
    rows.notify({ ids: [2], limits: false });
    await settled();
    expect(rows.asked).toEqual(['rows 2']);
    expect(names(registry)).toEqual(['n1', 'n3', 'renamed']);
    expect(told).toEqual([[before!.key, registry.known!.find('x.renamed')[0]!.key]]);
  });

  it('takes a row that is not there any more for deleted', async () => {
    const { rows, registry, settled } = await running();
    rows.delete(2);
    rows.notify({ ids: [2], limits: false });
    await settled();
    expect(names(registry)).toEqual(['n1', 'n3']);
  });

  it('finds changes that nobody notified every 30 s, and reads only these', async () => {
    const { rows, clock, registry } = await running();
    rows.put({ id: 3, name: 'changed' });
    rows.put({ id: 2 + 2048, name: 'added' });
    rows.delete(1);
    await clock.advanceAsync(30_000);
    expect(names(registry)).toEqual(['added', 'changed', 'n2']);
    expect(rows.asked).toEqual(['state', 'versions of 3', 'rows 3,2050']);
    rows.asked.length = 0;
    await clock.advanceAsync(30_000);
    expect(rows.asked).toEqual(['state']);
  });

  it('applies no row twice: a comparison finds what a notification brought before', async () => {
    const { rows, clock, told, settled } = await running();
    rows.put({ id: 3, name: 'changed' });
    rows.notify({ ids: [3], limits: false });
    await settled();
    await clock.advanceAsync(30_000);
    expect([rows.asked, told.length]).toEqual([['rows 3', 'state'], 1]);
  });

  it('reads all rows again if the layout of the store changed, because then versions say nothing', async () => {
    const { rows, registry, settled } = await running();
    rows.putSilently({ id: 1, name: 'other' });
    rows.layout = 'two';
    rows.notify({ ids: 'all', limits: true });
    await settled();
    expect(rows.asked).toEqual(['state', 'versions of 3', 'rows 1,2,3']);
    expect(names(registry)).toEqual(['n2', 'n3', 'other']);
  });

  it('compares all rows after a read that failed, because it may have missed a change', async () => {
    const { rows, registry, settled } = await running();
    rows.before = away;
    rows.put({ id: 1, name: 'changed' });
    rows.notify({ ids: [1], limits: false });
    await settled();
    expect(registry.problem).toBe('rule_webhooks: away');
    rows.before = () => {};
    rows.notify({ ids: [2], limits: false });
    await settled();
    expect([registry.problem, names(registry)]).toEqual([null, ['changed', 'n2', 'n3']]);
  });

  it('does not miss a change that comes while it reads', async () => {
    const { rows, registry, settled } = await running();
    let answer = () => {};
    rows.before = () => new Promise<void>((resolve) => (answer = resolve));
    rows.notify({ ids: [1], limits: false });
    rows.put({ id: 2, name: 'changed' });
    rows.notify({ ids: [2], limits: false });
    rows.before = () => {};
    answer();
    await settled();
    expect(rows.asked).toEqual(['rows 1', 'rows 2']);
    expect(names(registry)).toEqual(['changed', 'n1', 'n3']);
  });

  it('compares all rows instead of reading thousands by their ids', async () => {
    const { rows, settled } = await running();
    rows.notify({ ids: Array.from({ length: 2001 }, (_, id) => id), limits: false });
    await settled();
    expect(rows.asked).toEqual(['state']);
  });

  it('tells the limits apart from the rows', async () => {
    const { rows, registry, settled } = await running();
    let limits = 0;
    registry.onLimitsNotified(() => limits++);
    rows.notify({ ids: [1], limits: false });
    rows.notify({ ids: [], limits: true });
    await settled();
    expect([limits, rows.asked]).toEqual([1, ['rows 1']]);
  });

  it('checks thousands of rows one part after the other, and names each wrong row', async () => {
    const wrong = Array.from({ length: 250 }, (_, id) => registeredRow({ id, name: `w${id}`, url: 'x' }));
    const clock = new HandClock();
    const { registry, logged } = registryOf(new RowsInMemory(wrong), clock);
    await registry.start();
    const count = () => logged().match(/endpoint\.invalid/g)?.length;
    expect(count()).toBe(100);
    await clock.advanceAsync(20);
    expect(count()).toBe(250);
  });
});
