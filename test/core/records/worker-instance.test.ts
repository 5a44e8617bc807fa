import { describe, expect, it } from 'vitest';
import {
  describeDifference,
  type LiveInstance,
  settingDifferences,
} from '../../../src/core/records/worker-instance.ts';

function worker(name: string, settings: LiveInstance['settings']): LiveInstance {
  return { instanceId: name, name, version: settings === null ? null : '1', features: [], settings };
}

const sentences = (...workers: LiveInstance[]) => settingDifferences(workers).map(describeDifference);

describe('the settings of the workers of a group', () => {
  it('do not differ where all have the same', () => {
    const settings = { MAX_ATTEMPTS: 7, ALLOWED_PORTS: [80, 443], EGRESS_PROXY: null };
    expect(sentences(worker('a', settings), worker('b', { ...settings }))).toEqual([]);
  });

  it('differ with each value and who has it', () => {
    expect(
      sentences(
        worker('a', { MAX_ATTEMPTS: 7, ALLOWED_PRIVATE_CIDRS: [] }),
        worker('c', { MAX_ATTEMPTS: 7, ALLOWED_PRIVATE_CIDRS: ['10.0.0.0/8', 'fd00::/8'] }),
        worker('b', { MAX_ATTEMPTS: 7, ALLOWED_PRIVATE_CIDRS: ['10.0.0.0/8', 'fd00::/8'] }),
      ),
    ).toEqual(['ALLOWED_PRIVATE_CIDRS: none (a), 10.0.0.0/8 fd00::/8 (b, c)']);
  });

  it('of an older version are not known, and differ from nothing', () => {
    expect(sentences(worker('a', { MAX_ATTEMPTS: 7 }), worker('old', null))).toEqual([]);
  });

  it('that another version does not have differ from nothing', () => {
    expect(sentences(worker('a', { MAX_ATTEMPTS: 7, NEW: 1 }), worker('b', { MAX_ATTEMPTS: 7 }))).toEqual([]);
  });
});
