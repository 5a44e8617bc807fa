import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { StoredKey } from '../../src/core/access/api-key.ts';
import { NO_SCOPES } from '../../src/core/access/scopes.ts';
import { ApiKeys } from '../../src/ingest/api-keys.ts';
import { HandClock } from '../support/hand-clock.ts';

const keyText = (id: string) => `whk_${id.padEnd(8, '0')}_${id.padEnd(32, 'x')}`;
const stored = (id: string, more: Partial<StoredKey> = {}): StoredKey => ({
  id: id.padEnd(8, '0'),
  name: id,
  hash: createHash('sha256').update(keyText(id)).digest(),
  scopes: NO_SCOPES,
  expiresAt: null,
  revokedAt: null,
  ...more,
});

let clock: HandClock;
let rows: StoredKey[];
let isAway: boolean;
let used: Map<string, number>[];
let notify: () => void;
let reads: number;

beforeEach(() => {
  clock = new HandClock();
  [rows, isAway, used, reads] = [[], false, [], 0];
});

function keysWith(configured: StoredKey[] = []) {
  return new ApiKeys({
    configured,
    clock,
    log: pino({ level: 'silent' }),
    store: {
      async read(known) {
        reads++;
        if (isAway) throw new Error('PostgreSQL is away');
        const version = JSON.stringify(rows);
        return version === known ? { version } : { version, rows };
      },
      listen(changed) {
        notify = changed;
        return { stop: () => {} };
      },
      async noteUsed(usedAt) {
        if (isAway) throw new Error('PostgreSQL is away');
        used.push(new Map(usedAt));
      },
    },
  });
}

async function started(configured: StoredKey[] = []) {
  const keys = keysWith(configured);
  await keys.start();
  return keys;
}

describe('a request', () => {
  it('with a key that is stored is accepted', async () => {
    rows = [stored('a')];
    expect((await started()).verify(keyText('a'), 0)).toMatchObject({ key: { name: 'a' } });
  });

  it('with the id of a key and another secret is refused as one with an unknown key', async () => {
    rows = [stored('a')];
    const keys = await started();
    const other = keys.verify(keyText('b'), 0);
    expect(keys.verify(`whk_a0000000_${'y'.repeat(32)}`, 0)).toEqual(other);
    expect(other).toEqual({
      refused: 401,
      isKnown: false,
      sentence: 'The service does not know this API key.',
    });
  });

  it('without a key is told where it belongs', async () => {
    rows = [stored('a')];
    expect((await started()).verify(undefined, 0)).toMatchObject({
      refused: 401,
      sentence: 'The request has no API key. Send one in the header Authorization: Bearer whk_….',
    });
  });

  it.each([
    [undefined],
    ['nonsense'],
    [keyText('b')],
  ])('with %j while there is no key at all is told how to make one', async (token) => {
    const verdict = (await started()).verify(token, 0);
    expect(verdict).toMatchObject({
      refused: 401,
      sentence: expect.stringMatching(/`keys create`.*API_KEYS/),
    });
  });

  it('with a key is accepted until it expires, also when it is cached', async () => {
    rows = [stored('a', { expiresAt: 1000 })];
    const keys = await started();
    expect(keys.verify(keyText('a'), 999)).toHaveProperty('key');
    expect(keys.verify(keyText('a'), 1000)).toMatchObject({
      refused: 401,
      sentence: expect.stringContaining('expired'),
    });
  });

  it('with a key is refused once it is revoked, by the notification', async () => {
    rows = [stored('a')];
    const keys = await started();
    expect(keys.verify(keyText('a'), 0)).toHaveProperty('key');
    rows = [stored('a', { revokedAt: 5 })];
    notify();
    await clock.advanceAsync(0);
    expect(keys.verify(keyText('a'), 0)).toMatchObject({
      refused: 401,
      sentence: expect.stringContaining('revoked'),
    });
  });

  it('with a key is refused within half a second without any notification, also after its row is deleted', async () => {
    rows = [stored('a'), stored('b')];
    const keys = await started();
    expect(keys.verify(keyText('a'), 0)).toHaveProperty('key');
    rows = [stored('b')];
    await clock.advanceAsync(500);
    expect(keys.verify(keyText('a'), 0)).toMatchObject({ refused: 401 });
  });

  it('with a key that was made a moment ago is accepted after a refresh', async () => {
    rows = [stored('b')];
    const keys = await started();
    rows = [stored('a'), stored('b')];
    expect(keys.verify(keyText('a'), 0)).toMatchObject({ refused: 401, isKnown: false });
    const before = reads;
    const refreshes = Promise.all([keys.refreshed(), keys.refreshed(), keys.refreshed()]);
    await clock.advanceAsync(250);
    await refreshes;
    expect(reads - before).toBe(1);
    expect(keys.verify(keyText('a'), 0)).toHaveProperty('key');
  });
});

describe('while PostgreSQL is away', () => {
  it('the last known keys are valid', async () => {
    rows = [stored('a')];
    const keys = await started();
    isAway = true;
    await clock.advanceAsync(60_000);
    expect(keys.problem).toContain('PostgreSQL is away');
    expect(keys.verify(keyText('a'), 0)).toHaveProperty('key');
  });

  it('from the start on, the keys of API_KEYS are valid, and nobody can tell of another key', async () => {
    isAway = true;
    const keys = await started([stored('c')]);
    expect(keys.verify(keyText('c'), 0)).toHaveProperty('key');
    expect(keys.verify(keyText('a'), 0)).toMatchObject({ refused: 503 });
    expect(keys.verify('nonsense', 0)).toMatchObject({ refused: 401 });
    expect(keys.verify(undefined, 0)).toMatchObject({ refused: 401 });
    isAway = false;
    rows = [stored('a')];
    await clock.advanceAsync(500);
    expect(keys.problem).toBeNull();
    expect(keys.verify(keyText('a'), 0)).toHaveProperty('key');
    expect(keys.verify(keyText('c'), 0)).toHaveProperty('key');
  });

  it('from the start on, without API_KEYS, the answer names API_KEYS', async () => {
    isAway = true;
    const keys = await started();
    expect(keys.verify(undefined, 0)).toMatchObject({
      refused: 401,
      sentence: expect.stringMatching(/cannot be read from PostgreSQL.*`keys create`.*API_KEYS/),
    });
  });

  it('times of use are kept, and stored later', async () => {
    rows = [stored('a'), stored('b')];
    const keys = await started([stored('c')]);
    for (const id of ['a', 'b', 'c']) keys.verify(keyText(id), 7);
    isAway = true;
    await clock.advanceAsync(10_000);
    keys.verify(keyText('a'), 9);
    isAway = false;
    await clock.advanceAsync(10_000);
    expect(used).toEqual([
      new Map([
        ['a0000000', 9],
        ['b0000000', 7],
      ]),
    ]);
  });
});

it('a stop stores the times of use', async () => {
  rows = [stored('a')];
  const keys = await started();
  keys.verify(keyText('a'), 5);
  await keys.stop();
  expect(used).toEqual([new Map([['a0000000', 5]])]);
});

it('a read that hangs keeps no caller of refreshed for longer than a second', async () => {
  const keys = new ApiKeys({
    configured: [],
    clock,
    log: pino({ level: 'silent' }),
    store: {
      read: () => new Promise(() => {}),
      listen: () => ({ stop: () => {} }),
      noteUsed: async () => {},
    },
  });
  const starting = keys.start();
  await clock.advanceAsync(2000);
  await starting;
  const refreshing = keys.refreshed();
  await clock.advanceAsync(1000);
  await refreshing;
});
