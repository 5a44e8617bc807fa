import type { StreamConfig } from 'nats';
import { expect, it } from 'vitest';
import { storedSubjects } from '../../../src/nats/findings/stored-subjects.ts';

const ORIGINS: Readonly<Record<string, readonly string[]>> = { ORDERS: ['orders.*'], USERS: ['users.>'] };
const stored = (config: Partial<StreamConfig>) =>
  storedSubjects(config as StreamConfig, (name) => ORIGINS[name] ?? null);

it.each<[string, Partial<StreamConfig>, readonly string[]]>([
  ['its subjects', { subjects: ['a.*', 'b'] }, ['a.*', 'b']],
  ['what its mirrored stream stores', { mirror: { name: 'ORDERS' } }, ['orders.*']],
  ['any subject, if its mirrored stream is not known', { mirror: { name: 'SECRET' } }, ['>']],
  [
    'any subject, if its mirrored stream is in another account',
    { mirror: { name: 'ORDERS', external: { api: '$JS.hub.API' } } },
    ['>'],
  ],
  ['the filter of its mirror', { mirror: { name: 'SECRET', filter_subject: 'orders.eu' } }, ['orders.eu']],
  [
    'what its sources store besides its subjects',
    { subjects: ['a'], sources: [{ name: 'ORDERS' }, { name: 'USERS', filter_subject: 'users.*' }] },
    ['a', 'orders.*', 'users.*'],
  ],
  [
    'what the transforms of a source make',
    { sources: [{ name: 'ORDERS', subject_transforms: [{ src: 'orders.*', dest: 'hooks.$1' }] }] },
    ['hooks.*'],
  ],
  [
    'nothing of a source whose transforms match nothing',
    { sources: [{ name: 'ORDERS', subject_transforms: [{ src: 'users.*', dest: 'hooks.$1' }] }] },
    [],
  ],
  [
    'what its own transform makes, and subjects that the transform does not match',
    { subjects: ['a.*', 'b.>'], subject_transform: { src: 'a.*', dest: 'c.$1' } },
    ['c.*', 'b.>'],
  ],
  [
    'subjects as they are and as its transform makes them, if the transform matches some of them',
    { subjects: ['a.>'], subject_transform: { src: 'a.*', dest: 'c.$1' } },
    ['c.*', 'a.>'],
  ],
  [
    'what its own transform makes of its sources',
    { sources: [{ name: 'ORDERS' }], subject_transform: { src: '>', dest: 'pre.>' } },
    ['pre.orders.*'],
  ],
])('a stream stores %s', (_what, config, expected) => {
  expect(stored(config)).toEqual(expected);
});
