import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/core/message/delivery.ts';
import type { LiveInstance } from '../../src/core/records/worker-instance.ts';
import type { Outcome } from '../../src/core/retry/attempt.ts';
import { holdForbidden } from '../../src/delivery/hold-forbidden.ts';

const FORBIDS = { ALLOWED_PRIVATE_CIDRS: [], ALLOWED_PORTS: [], EGRESS_PROXY: null };
const ALLOWS = { ...FORBIDS, ALLOWED_PRIVATE_CIDRS: ['127.0.0.0/8'] };
const BLOCKED: Outcome = { kind: 'blocked', detail: '127.0.0.1 is loopback' };
const TARGET = { hostname: '127.0.0.1', port: 80, origin: 'http://127.0.0.1', endpointKey: 'here' };
const BY_URL = { target: TARGET, endpoint: null } as unknown as Delivery;
const BY_ROW = {
  target: TARGET,
  endpoint: { row: { name: 'orders', url: 'http://127.0.0.1/a' } },
} as unknown as Delivery;

const peer = (name: string, settings: LiveInstance['settings']): LiveInstance => ({
  instanceId: name,
  name,
  version: settings === null ? null : '1',
  features: [],
  settings,
});

/** @param fresh What a read of the peers shows that begins now; null: it fails. */
async function send(
  delivery: Delivery,
  recent: readonly LiveInstance[] | null,
  outcome: Outcome = BLOCKED,
  fresh: readonly LiveInstance[] | null = recent,
) {
  let known = recent;
  const held: unknown[] = [];
  const sending = holdForbidden(
    async () => ({ outcome, startedAt: 1, durationMs: 0 }),
    {
      recent: () => known,
      async refreshed() {
        if (fresh !== null) known = fresh;
        return fresh !== null;
      },
    },
    { hold: (key, { why: _why, url: _url, ...rest }) => held.push({ key, ...rest }) },
  );
  return { outcome: (await sending(delivery, () => false)).outcome, held };
}

describe('a URL in a message that this worker forbids', () => {
  it('stays forbidden where there is no other worker', async () => {
    expect(await send(BY_URL, [])).toEqual({ outcome: BLOCKED, held: [] });
  });

  it('stays forbidden where all peers forbid it, too', async () => {
    expect(await send(BY_URL, [peer('a', FORBIDS), peer('b', FORBIDS)])).toEqual({
      outcome: BLOCKED,
      held: [],
    });
  });

  it('is left to a peer that allows it', async () => {
    const { outcome, held } = await send(BY_URL, [peer('a', FORBIDS), peer('b', ALLOWS)]);
    expect(outcome).toEqual({
      kind: 'held',
      detail: 'this worker may not send to it (127.0.0.1 is loopback), and leaves it to b',
    });
    expect(held).toEqual([{ key: 'here', rowUrl: null, untilPeersAreRead: false, isLeftToPeers: true }]);
  });

  it('is left to a peer of an older version, which does not say what it allows', async () => {
    expect((await send(BY_URL, [peer('older', null)])).outcome.kind).toBe('held');
  });

  it('is left to a peer that started after the last read and allows it', async () => {
    const { held } = await send(BY_URL, [peer('a', FORBIDS)], BLOCKED, [
      peer('a', FORBIDS),
      peer('new', ALLOWS),
    ]);
    expect(held).toEqual([{ key: 'here', rowUrl: null, untilPeersAreRead: false, isLeftToPeers: true }]);
  });

  it('waits until the peers were read if they cannot be read now', async () => {
    const { held } = await send(BY_URL, [peer('a', FORBIDS)], BLOCKED, null);
    expect(held).toEqual([{ key: 'here', rowUrl: null, untilPeersAreRead: true, isLeftToPeers: false }]);
  });

  it('waits until the peers were read', async () => {
    const { outcome, held } = await send(BY_URL, null);
    expect(outcome.kind).toBe('held');
    expect(held).toEqual([{ key: 'here', rowUrl: null, untilPeersAreRead: true, isLeftToPeers: false }]);
  });
});

describe('a row whose address this worker forbids', () => {
  it.each([
    ['alone', [], false],
    ['beside peers that forbid it', [peer('a', FORBIDS)], false],
    ['beside a peer that allows it', [peer('a', ALLOWS)], true],
  ])('holds its messages %s', async (_how, recent, isLeftToPeers) => {
    const { outcome, held } = await send(BY_ROW, recent);
    expect(outcome).toMatchObject({ kind: 'held', detail: expect.stringContaining('127.0.0.1 is loopback') });
    const rowUrl = 'http://127.0.0.1/a';
    expect(held).toEqual([{ key: 'here', rowUrl, untilPeersAreRead: false, isLeftToPeers }]);
  });
});

it('what was sent passes', async () => {
  const answered: Outcome = { kind: 'responded', status: 200, retryAfterMs: null, excerpt: null };
  expect(await send(BY_URL, [], answered)).toEqual({ outcome: answered, held: [] });
});
