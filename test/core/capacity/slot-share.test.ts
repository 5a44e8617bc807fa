import { describe, expect, it } from 'vitest';
import { slotShare } from '../../../src/core/capacity/slot-share.ts';

const quiet = { slots: 256, reservedByOthers: 0, untested: 0, unresponsive: 0, probes: 0 };

describe('an endpoint that answers', () => {
  it.each([
    ['alone', quiet, 250],
    ['beside one that needed 10', { ...quiet, reservedByOthers: 10 }, 236],
    ['beside one that needs as many', { ...quiet, reservedByOthers: 250 }, 192],
    ['with 100 slots', { ...quiet, slots: 100 }, 98],
    ['with 8 slots', { ...quiet, slots: 8 }, 7],
    ['with 2 slots', { ...quiet, slots: 2 }, 2],
    ['with one slot', { ...quiet, slots: 1 }, 1],
  ])('%s may have %#', (_what, crowd, share) => {
    expect(slotShare(crowd).responsive).toBe(share);
  });
});

describe('endpoints that have yet to answer', () => {
  it.each([
    ['half of the slots', quiet, 128],
    ['less what they hold', { ...quiet, untested: 100 }, 28],
    ['nothing more when they hold it', { ...quiet, untested: 128 }, 0],
    ['most of the few that a silent one has left', { ...quiet, unresponsive: 240 }, 10],
    ['of ten slots, nine', { ...quiet, slots: 10 }, 9],
    ['of two slots, one', { ...quiet, slots: 2 }, 1],
    ['the only slot', { ...quiet, slots: 1 }, 1],
  ])('have, all together, %s', (_what, crowd, share) => {
    expect(slotShare(crowd).untested).toBe(share);
  });
});

describe('probes', () => {
  it('have an eighth of the slots, and one at least', () => {
    expect(slotShare({ ...quiet, probes: 31 }).probe).toBe(true);
    expect(slotShare({ ...quiet, probes: 32 }).probe).toBe(false);
    expect(slotShare({ ...quiet, slots: 1 }).probe).toBe(true);
  });
});

describe('an endpoint that was never tried', () => {
  it('gets one attempt as long as a quarter of the slots is left to those that answer', () => {
    expect(slotShare({ ...quiet, untested: 191 }).firstAttempt).toBe(true);
    expect(slotShare({ ...quiet, untested: 192 }).firstAttempt).toBe(false);
    expect(slotShare({ ...quiet, untested: 11, unresponsive: 240 }).firstAttempt).toBe(true);
    expect(slotShare({ ...quiet, untested: 12, unresponsive: 240 }).firstAttempt).toBe(false);
  });
});
