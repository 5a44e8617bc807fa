import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Registry } from '../../../src/core/endpoint/registry.ts';
import { EndpointHolds } from '../../../src/delivery/admission/endpoint-holds.ts';
import type { Logger } from '../../../src/runtime/logger.ts';

const HOLD = {
  why: 'forbidden here',
  url: 'http://10.0.0.1',
  rowUrl: null,
  untilPeersAreRead: false,
  isLeftToPeers: true,
};
const registryWith = (url: string) => ({ byKey: () => ({ row: { url } }) }) as unknown as Registry;

let holds: EndpointHolds;
let held: ReadonlyMap<string, string>;
let told: number;
/** Of the endpoints whose holds changed, one list for each call. */
let changed: string[][];
let said: string[];

beforeEach(() => {
  vi.useFakeTimers();
  [held, told, changed, said] = [new Map(), 0, [], []];
  holds = new EndpointHolds({
    log: { warn: (_: object, event: string) => said.push(event) } as unknown as Logger,
    now: () => performance.now(),
    onChanged(now, keys) {
      held = now;
      changed.push([...keys]);
      told++;
    },
  });
});
afterEach(() => {
  holds.stop();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('a held endpoint', () => {
  it('is left to peers for a minute, with its reason', async () => {
    holds.hold('a', HOLD);
    await pass(0);
    expect(held).toEqual(new Map([['a', 'forbidden here']]));
    await pass(59_000);
    expect(held.size).toBe(1);
    await pass(3000);
    expect(held.size).toBe(0);
  });

  it('is the only one that is told when its hold begins and ends', async () => {
    holds.hold('a', HOLD);
    await pass(30_000);
    holds.hold('b', HOLD);
    holds.hold('c', HOLD);
    await pass(62_000);
    expect(changed).toEqual([['a'], ['b', 'c'], ['a'], ['b', 'c']]);
  });

  it('is left to peers where one of them may send to it', () => {
    holds.hold('a', HOLD);
    holds.hold('b', { ...HOLD, isLeftToPeers: false });
    expect(['a', 'b', 'c'].map((key) => holds.isLeftToPeers(key))).toEqual([true, false, false]);
  });

  it('is logged once, although it is held again and again', async () => {
    for (let time = 0; time < 3; time++) {
      holds.hold('a', HOLD);
      await pass(62_000);
    }
    expect(said).toEqual(['endpoint.held']);
  });

  it('of a row is free as soon as the row has another URL', async () => {
    holds.hold('a', { ...HOLD, rowUrl: 'http://10.0.0.1/x' });
    holds.onRegistryChanged(registryWith('http://10.0.0.1/x'));
    await pass(0);
    expect(held.size).toBe(1);
    holds.onRegistryChanged(registryWith('https://example.com/x'));
    await pass(0);
    expect(held.size).toBe(0);
  });

  it('that waits for the peers is free when they were read, and another one is not', async () => {
    holds.hold('a', { ...HOLD, untilPeersAreRead: true });
    holds.hold('b', HOLD);
    holds.onPeersRead();
    await pass(0);
    expect([...held.keys()]).toEqual(['b']);
  });

  it('is told once for all that are held at the same moment', async () => {
    for (const key of ['a', 'b', 'c']) holds.hold(key, HOLD);
    await pass(0);
    expect([told, held.size]).toEqual([1, 3]);
  });
});
