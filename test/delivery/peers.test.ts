import { beforeEach, describe, expect, it } from 'vitest';
import type { LiveInstance } from '../../src/core/records/worker-instance.ts';
import { Peers } from '../../src/delivery/peers.ts';
import type { Logger } from '../../src/runtime/logger.ts';

function instance(name: string, parts: Partial<LiveInstance> = {}): LiveInstance {
  return {
    instanceId: name,
    name,
    version: '1',
    features: ['instance-row'],
    settings: { MAX_ATTEMPTS: 7 },
    ...parts,
  };
}

const OWN = instance('own');
const OLDER = instance('older', { version: null, features: [], settings: null });

let now: number;
let said: unknown[];
let peers: Peers;

beforeEach(() => {
  now = 0;
  said = [];
  const note = (fields: { differing?: unknown }, event: string) => said.push([event, fields.differing]);
  peers = new Peers({ own: OWN, log: { info: note, warn: note } as unknown as Logger, now: () => now });
});

describe('the peers of a worker', () => {
  it('are not known before the first read', () => {
    expect(peers.recent()).toBeNull();
  });

  it('are the live workers without itself', () => {
    peers.onRead([OWN, instance('a'), OLDER]);
    expect(peers.recent()).toEqual([instance('a'), OLDER]);
  });

  it('are unknown again when they could not be read for long', () => {
    peers.onRead([OWN, instance('a')]);
    now = 29_000;
    expect(peers.recent()).toEqual([instance('a')]);
    now = 31_000;
    expect(peers.recent()).toBeNull();
  });

  it('that stopped a moment ago may come back', () => {
    peers.onRead([OWN, instance('a')]);
    now = 5000;
    peers.onRead([OWN]);
    expect(peers.recent()).toEqual([instance('a')]);
    now = 70_000;
    peers.onRead([OWN]);
    expect(peers.recent()).toEqual([]);
  });

  it('tell who waits for a read', () => {
    let reads = 0;
    peers.onReadDone(() => reads++);
    peers.onRead([OWN]);
    expect(reads).toBe(1);
  });

  it('with other settings are logged once, named in /health, and logged again when they agree', () => {
    const other = instance('a', { settings: { MAX_ATTEMPTS: 3 } });
    for (let read = 0; read < 3; read++) peers.onRead([OWN, other, OLDER]);
    expect(said).toEqual([['settings.differ', ['MAX_ATTEMPTS: 7 (own), 3 (a)']]]);
    expect(peers.problem()).toBe('the workers of the group differ in MAX_ATTEMPTS: 7 (own), 3 (a)');
    peers.onRead([OWN, instance('a')]);
    expect(said.at(-1)).toEqual(['settings.agree', undefined]);
    expect(peers.problem()).toBeNull();
  });
});
