import { describe, expect, it } from 'vitest';
import { type Candidate, firstUsable } from '../../../src/embedded/process/first-usable.ts';
import { UserError } from '../../../src/runtime/failure.ts';

const empty: Candidate = ['the cache', async () => undefined];
const old: Candidate = ['PATH', async () => '/bin/old'];
const broken: Candidate = [
  'the registry',
  async () => {
    throw new Error('it does not answer');
  },
];
const good: Candidate = ['GitHub', async () => '/bin/good'];
const inspect = async (path: string) => (path === '/bin/good' ? { path } : 'it is too old');

describe('the search for a program', () => {
  it('returns the first candidate that can be used', async () => {
    const candidates = [empty, old, broken, good, old];
    expect(await firstUsable(candidates, inspect, (tries) => tries)).toEqual({ path: '/bin/good' });
  });

  it('fails with the reason for each candidate if none can be used', async () => {
    const search = firstUsable([empty, old, broken], inspect, (tries) => `None:\n${tries}`);
    await expect(search).rejects.toThrow(
      new UserError(
        'None:\n  - the cache: there is none\n  - PATH: it is too old\n  - the registry: it does not answer',
      ),
    );
  });
});
