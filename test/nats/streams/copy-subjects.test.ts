import { describe, expect, it } from 'vitest';
import { parkedKey, parkedSubject } from '../../../src/nats/streams/copy-subjects.ts';

describe('the subject of a parked copy', () => {
  it.each([
    ['webhook-workers', 'shop-0a1b2c3d', 'parked.S.shop-0a1b2c3d'],
    ['webhook-workers', 'again.shop-0a1b2c3d', 'parked.S.again.shop-0a1b2c3d'],
    ['other', 'shop-0a1b2c3d', 'parked.S.group.other.shop-0a1b2c3d'],
    ['other', 'again.shop-0a1b2c3d', 'parked.S.group.other.again.shop-0a1b2c3d'],
    ['group', 'at.2027-01-31', 'parked.S.group.group.at.2027-01-31'],
  ])('of the group %s and the queue %s is %s, and holds the key again', (group, key, subject) => {
    expect(parkedSubject({ sourceStream: 'S', group }, key)).toBe(subject);
    expect(parkedKey(subject)).toBe(key);
  });
});
