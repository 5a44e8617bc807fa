import { describe, expect, it } from 'vitest';
import { slotShare } from '../../../src/core/capacity/slot-share.ts';

const IDLE = {
  slots: 256,
  reservedByOthers: 0,
  untested: 0,
  unresponsive: 0,
  hungAtOthers: 0,
  probes: 0,
  hasSucceeded: false,
};

describe('a responsive endpoint', () => {
  it.each([
    ['alone', IDLE, 250],
    ['beside an endpoint that needed 10', { ...IDLE, reservedByOthers: 10 }, 236],
    ['beside an endpoint that needs as many slots', { ...IDLE, reservedByOthers: 250 }, 192],
    ['with 100 slots', { ...IDLE, slots: 100 }, 98],
    ['with 8 slots', { ...IDLE, slots: 8 }, 7],
    ['with 2 slots', { ...IDLE, slots: 2 }, 2],
    ['with one slot', { ...IDLE, slots: 1 }, 1],
  ])('%s (slot usage %o) may use %d slots', (_what, usage, share) => {
    expect(slotShare(usage).responsive).toBe(share);
  });
});

describe('untested endpoints', () => {
  it.each([
    ['half of the slots', IDLE, 128],
    ['half of the slots less the slots that they hold', { ...IDLE, untested: 100 }, 28],
    ['no more slots when they hold half of them', { ...IDLE, untested: 128 }, 0],
    ['half of the slots that an unresponsive endpoint leaves free', { ...IDLE, unresponsive: 240 }, 8],
    ['five of ten slots', { ...IDLE, slots: 10 }, 5],
    ['one of two slots', { ...IDLE, slots: 2 }, 1],
    ['the only slot', { ...IDLE, slots: 1 }, 1],
  ])('may together use %s', (_what, usage, share) => {
    expect(slotShare(usage).untested).toBe(share);
  });
});

describe('probes', () => {
  it('may use an eighth of the slots, and at least one slot', () => {
    expect(slotShare({ ...IDLE, probes: 31 }).probe).toBe(true);
    expect(slotShare({ ...IDLE, probes: 32 }).probe).toBe(false);
    expect(slotShare({ ...IDLE, slots: 1 }).probe).toBe(true);
  });
});

describe('an endpoint without any attempt', () => {
  it.each([
    ['half of the slots', IDLE, 128],
    ['half of the slots that an unresponsive endpoint leaves free', { ...IDLE, unresponsive: 240 }, 8],
    ['three quarters of them, if it succeeded before', { ...IDLE, hasSucceeded: true }, 192],
    ['the only slot', { ...IDLE, slots: 1 }, 1],
  ])('may make its first attempt while untested endpoints use less than %s', (_what, usage, limit) => {
    expect(slotShare({ ...usage, untested: limit - 1 }).firstAttempt).toBe(true);
    expect(slotShare({ ...usage, untested: limit }).firstAttempt).toBe(false);
  });
});

describe('hung attempts of an endpoint', () => {
  it.each([
    ['three quarters of half of the slots while no other endpoint needs any', IDLE, 96],
    ['less beside untested endpoints', { ...IDLE, untested: 128 }, 48],
    ['an eighth while another endpoint needs half of the slots', { ...IDLE, reservedByOthers: 128 }, 32],
    ['an eighth beside as many at another endpoint', { ...IDLE, hungAtOthers: 96 }, 32],
    ['what is left of half of the slots', { ...IDLE, hungAtOthers: 100 }, 28],
    ['one slot when half of the slots are used up', { ...IDLE, hungAtOthers: 128 }, 1],
    ['the only slot', { ...IDLE, slots: 1 }, 1],
  ])('may use %s', (_what, usage, share) => {
    expect(slotShare(usage).hung).toBe(share);
  });
});
