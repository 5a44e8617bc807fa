import { describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import {
  type Aftermath,
  type Death,
  died,
  setStage,
  startSilentVictim,
  startVictim,
  takeOver,
  waitingIn,
} from './dying.ts';
import { openScene, startEndpoint, statisticsOf } from './scene.ts';

type Case = Death & {
  /** Where the worker is when it dies, and what follows for the message. */
  readonly tells: string;
  /** Of the endpoint: what it does. */
  readonly path: string;
  readonly leaves: Omit<Aftermath, 'webhookIds'>;
};

/** Of one message, with MAX_ATTEMPTS=3. */
const CASES: Case[] = [
  {
    tells: 'when it has the answer, and nothing is decided, is sent a second time',
    at: 'attempt.answered',
    path: '/status/200',
    leaves: { requests: 2, letters: 0, counted: { attempts: 1, acknowledged: 1, deadLettered: 0 } },
  },
  {
    tells: 'when it has said the ack, and NATS has not heard it, is sent a second time',
    at: 'ack.buffered',
    path: '/status/200',
    leaves: { requests: 2, letters: 0, counted: { attempts: 1, acknowledged: 1, deadLettered: 0 } },
  },
  {
    tells: 'when it knows that NATS has the ack, is not sent again, and not counted',
    at: 'ack.confirmed',
    path: '/status/200',
    leaves: { requests: 1, letters: 0, counted: { attempts: 0, acknowledged: 0, deadLettered: 0 } },
  },
  {
    tells: 'when it has said when to try again, and NATS has not heard it, has no more attempts than it has',
    at: 'ack.buffered',
    path: '/status/500',
    leaves: { requests: 3, letters: 1, counted: { attempts: 2, acknowledged: 0, deadLettered: 1 } },
  },
  {
    tells: 'when it has the answer to the last attempt, becomes a dead letter without another one',
    at: 'attempt.answered',
    time: 3,
    path: '/status/500',
    leaves: { requests: 3, letters: 1, counted: { attempts: 0, acknowledged: 0, deadLettered: 1 } },
  },
  {
    tells: 'when it has stored the dead letter of the last attempt, is one letter, and not sent again',
    at: 'deadLetter.stored',
    path: '/status/500',
    leaves: { requests: 3, letters: 1, counted: { attempts: 0, acknowledged: 0, deadLettered: 1 } },
  },
  {
    tells: 'when it has stored the dead letter of an earlier attempt, is one letter, and sent a second time',
    at: 'deadLetter.stored',
    path: '/status/410',
    leaves: { requests: 2, letters: 1, counted: { attempts: 1, acknowledged: 0, deadLettered: 1 } },
  },
];

describe.concurrent('a message whose worker dies', () => {
  it.each(CASES.map((each) => [each.tells, each] as const))('%s', async (_, { path, leaves, ...death }) => {
    const stage = await setStage();
    const { scene, endpoint } = stage;
    const victim = await startSilentVictim(stage, death);
    await scene.publish({ webhook_url: endpoint.url + path });
    await died(victim);
    expect(await takeOver(stage)).toEqual({ ...leaves, webhookIds: 1 });
  });

  it('while the endpoint works on it is sent a second time', async () => {
    const stage = await setStage();
    const { scene, endpoint } = stage;
    const victim = await startVictim(stage, { at: 'nowhere' });
    await scene.publish({ webhook_url: `${endpoint.url}/hang` });
    await until(() => endpoint.requests.length === 1);
    victim.kill('SIGKILL');
    await died(victim);
    endpoint.recover();
    expect(await takeOver(stage)).toMatchObject({ requests: 2, webhookIds: 1, letters: 0 });
  });

  it('in the middle of a dead letter in parts is one letter, with all its parts', async () => {
    const stage = await setStage();
    const { scene, endpoint } = stage;
    const victim = await startVictim(stage, { at: 'deadLetter.partStored' });
    const most = scene.connection.info!.max_payload;
    const envelope = { webhook_url: `${endpoint.url}/status/410`, data: '' };
    const data = 'x'.repeat(most - JSON.stringify(envelope).length - 100);
    const message = Buffer.from(JSON.stringify({ ...envelope, data }));
    await scene.publish(message);
    await died(victim);
    expect(await waitingIn(scene, 'WEBHOOKS_DLQ')).toBe(1);
    const { requests, webhookIds, letters } = await takeOver(stage);
    expect({ requests, webhookIds }).toEqual({ requests: 2, webhookIds: 1 });

    const letter = await scene.manager.streams.getMessage('WEBHOOKS_DLQ', { seq: letters });
    const [count, size] = ['Parts', 'Part-Bytes'].map((name) =>
      letter.header.get(`Webhook-Dead-Letter-${name}`),
    );
    expect(letters).toBe(Number(count) + 1);
    const parts = await Promise.all(
      Array.from({ length: Number(count) }, (_, index) =>
        scene.manager.streams.getMessage('WEBHOOKS_DLQ', {
          last_by_subj: `${letter.subject}.${size}.${index + 1}`,
        }),
      ),
    );
    const whole = Buffer.concat(parts.map((part) => part.data));
    expect(whole.subarray(whole.indexOf('\r\n\r\n') + 4).equals(message)).toBe(true);
  });

  it('with all slots busy is sent again if it was in one of them, or in the 5 ms after', async () => {
    const [messages, slots] = [60, 8];
    const stage = { scene: await openScene(), endpoint: await startEndpoint({ delayMs: 100 }) };
    const death = { at: 'attempt.answered', time: 20 };
    const victim = await startVictim(stage, death, { CONCURRENCY: String(slots) });
    await stage.scene.publishMany(messages, stage.endpoint.url);
    await died(victim);
    const { requests, ...left } = await takeOver(stage);
    expect(left).toMatchObject({ webhookIds: messages, letters: 0 });
    expect(requests).toBeGreaterThan(messages);
    expect(requests).toBeLessThanOrEqual(messages + 2 * slots);
  });
});

describe.concurrent('statistics whose worker dies', () => {
  it.each([
    ['before it commits them', 'are not counted', 'flush.written', 0],
    ['before it knows that they are committed', 'are counted once', 'flush.committed', 3],
  ])('%s %s', async (_when, _what, at, counted) => {
    const stage = await setStage();
    const { scene, endpoint } = stage;
    // The first flush is at the start, the second one at the stop.
    const victim = await startSilentVictim(stage, { at, time: 2 });
    await scene.publishMany(3, `${endpoint.url}/status/200`);
    await until(async () => endpoint.requests.length === 3 && (await waitingIn(scene, 'WEBHOOKS')) === 0);
    victim.kill();
    await died(victim);

    expect(await takeOver(stage)).toEqual({
      requests: 3,
      webhookIds: 3,
      letters: 0,
      counted: { attempts: counted, acknowledged: counted, deadLettered: 0 },
    });
    const [rows] = await scene.query('SELECT count(*)::int AS attempts FROM rule_nats_delivery_attempts');
    expect(rows).toEqual({ attempts: counted });
    expect((await statisticsOf(scene)).get('victim')).toMatchObject({ messages_delivered: counted });
  });
});
