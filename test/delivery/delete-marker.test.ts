import { describe, expect, it } from 'vitest';
import { deleteMarker } from '../../src/delivery/delete-marker.ts';
import { ENVELOPE, message } from './messages.ts';

const MARKER = { 'Nats-Marker-Reason': 'MaxAge', 'Nats-TTL': '1s' };

describe('a delete marker of NATS', () => {
  it('leads to no request, with the reason of NATS', () => {
    expect(deleteMarker(message('', { headers: MARKER }))).toEqual({
      id: expect.stringMatching(/^WEBHOOKS-.*-7$/),
      endpointKey: 'none',
      webhookId: null,
      outcome: {
        kind: 'deleteMarker',
        detail:
          'a delete marker of NATS, not a webhook: NATS removed the last message of this subject (MaxAge)',
      },
    });
  });

  it('with a body may be a webhook, and becomes a dead letter', () => {
    expect(deleteMarker(message(ENVELOPE, { headers: MARKER }))?.outcome).toMatchObject({
      kind: 'undeliverable',
      reason: 'malformed',
    });
  });

  it('is not an empty message without the header', () => {
    expect(deleteMarker(message('', { headers: { 'Nats-TTL': '1s' } }))).toBe(null);
  });
});
