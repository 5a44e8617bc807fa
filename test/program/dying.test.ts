import { describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import {
  type KillPoint,
  openCrashScene,
  startVictim,
  startVictimAfterFlush,
  type TakeoverResult,
  takeOver,
  victimKilled,
  waitingIn,
} from './dying.ts';
import { openScene, startEndpoint, statisticsOf } from './scene.ts';

type Case = KillPoint & {
  /** When the worker is killed, and the result for the message. */
  readonly title: string;
  /** The path of the URL, which tells the endpoint what to do. */
  readonly path: string;
  readonly leaves: Omit<TakeoverResult, 'webhookIds'>;
};

/** Each case is about one message, with MAX_ATTEMPTS=3. */
const CASES: Case[] = [
  {
    title: 'after the answer, before the verdict, is sent a second time',
    at: 'attempt.answered',
    path: '/status/200',
    leaves: { requests: 2, deadLetters: 0, counted: { attempts: 1, acknowledged: 1, deadLettered: 0 } },
  },
  {
    title: 'after the ack is buffered, before NATS receives it, is sent a second time',
    at: 'ack.buffered',
    path: '/status/200',
    leaves: { requests: 2, deadLetters: 0, counted: { attempts: 1, acknowledged: 1, deadLettered: 0 } },
  },
  {
    title: 'after NATS has confirmed the ack is neither sent again nor counted',
    at: 'ack.confirmed',
    path: '/status/200',
    leaves: { requests: 1, deadLetters: 0, counted: { attempts: 0, acknowledged: 0, deadLettered: 0 } },
  },
  {
    title: 'after the nak is buffered, before NATS receives it, gets no more than MAX_ATTEMPTS attempts',
    at: 'ack.buffered',
    path: '/status/500',
    leaves: { requests: 3, deadLetters: 1, counted: { attempts: 2, acknowledged: 0, deadLettered: 1 } },
  },
  {
    title: 'after the answer to the last attempt becomes a dead letter without another attempt',
    at: 'attempt.answered',
    time: 3,
    path: '/status/500',
    leaves: { requests: 3, deadLetters: 1, counted: { attempts: 0, acknowledged: 0, deadLettered: 1 } },
  },
  {
    title: 'after the dead letter of the last attempt is stored has one dead letter, and is not sent again',
    at: 'deadLetter.stored',
    path: '/status/500',
    leaves: { requests: 3, deadLetters: 1, counted: { attempts: 0, acknowledged: 0, deadLettered: 1 } },
  },
  {
    title:
      'after the dead letter of an earlier attempt is stored has one dead letter, and is sent a second time',
    at: 'deadLetter.stored',
    path: '/status/410',
    leaves: { requests: 2, deadLetters: 1, counted: { attempts: 1, acknowledged: 0, deadLettered: 1 } },
  },
];

describe.concurrent('a message whose worker is killed', () => {
  it.each(CASES.map((each) => [each.title, each] as const))('%s', async (_, {
    path,
    leaves,
    ...killPoint
  }) => {
    const crashScene = await openCrashScene();
    const { scene, endpoint } = crashScene;
    const victim = await startVictimAfterFlush(crashScene, killPoint);
    await scene.publish({ webhook_url: endpoint.url + path });
    await victimKilled(victim);
    expect(await takeOver(crashScene)).toEqual({ ...leaves, webhookIds: 1 });
  });

  it('while the endpoint processes the request is sent a second time', async () => {
    const crashScene = await openCrashScene();
    const { scene, endpoint } = crashScene;
    const victim = await startVictim(crashScene, { at: 'nowhere' });
    await scene.publish({ webhook_url: `${endpoint.url}/hang` });
    await until(() => endpoint.requests.length === 1);
    victim.kill('SIGKILL');
    await victimKilled(victim);
    endpoint.recover();
    expect(await takeOver(crashScene)).toMatchObject({ requests: 2, webhookIds: 1, deadLetters: 0 });
  });

  it('between two parts of its dead letter has one dead letter, with all parts', async () => {
    const crashScene = await openCrashScene();
    const { scene, endpoint } = crashScene;
    const victim = await startVictim(crashScene, { at: 'deadLetter.partStored' });
    const maxPayload = scene.connection.info!.max_payload;
    const envelope = { webhook_url: `${endpoint.url}/status/410`, data: '' };
    const data = 'x'.repeat(maxPayload - JSON.stringify(envelope).length - 100);
    const message = Buffer.from(JSON.stringify({ ...envelope, data }));
    await scene.publish(message);
    await victimKilled(victim);
    expect(await waitingIn(scene, 'WEBHOOKS_DLQ')).toBe(1);
    const { requests, webhookIds, deadLetters } = await takeOver(crashScene);
    expect({ requests, webhookIds }).toEqual({ requests: 2, webhookIds: 1 });

    const deadLetter = await scene.manager.streams.getMessage('WEBHOOKS_DLQ', { seq: deadLetters });
    const [count, size] = ['Parts', 'Part-Bytes'].map((name) =>
      deadLetter.header.get(`Webhook-Dead-Letter-${name}`),
    );
    expect(deadLetters).toBe(Number(count) + 1);
    const parts = await Promise.all(
      Array.from({ length: Number(count) }, (_, index) =>
        scene.manager.streams.getMessage('WEBHOOKS_DLQ', {
          last_by_subj: `${deadLetter.subject}.${size}.${index + 1}`,
        }),
      ),
    );
    const whole = Buffer.concat(parts.map((part) => part.data));
    expect(whole.subarray(whole.indexOf('\r\n\r\n') + 4).equals(message)).toBe(true);
  });

  it('with all slots busy is sent again only if it was in a slot, or its ack was not sent yet', async () => {
    const [messages, slots] = [60, 8];
    const crashScene = { scene: await openScene(), endpoint: await startEndpoint({ delayMs: 100 }) };
    const killPoint = { at: 'attempt.answered', time: 20 };
    const victim = await startVictim(crashScene, killPoint, { CONCURRENCY: String(slots) });
    await crashScene.scene.publishMany(messages, crashScene.endpoint.url);
    await victimKilled(victim);
    const { requests, ...left } = await takeOver(crashScene);
    expect(left).toMatchObject({ webhookIds: messages, deadLetters: 0 });
    expect(requests).toBeGreaterThan(messages);
    expect(requests).toBeLessThanOrEqual(messages + 2 * slots);
  });
});

describe.concurrent('statistics of a worker that is killed', () => {
  it.each([
    ['before it commits them', 'count nothing', 'flush.written', 0],
    ['after it commits them, before it knows this,', 'count every message once', 'flush.committed', 3],
  ])('%s %s', async (_when, _what, at, counted) => {
    const crashScene = await openCrashScene();
    const { scene, endpoint } = crashScene;
    // The first flush is at the start, the second one at the stop.
    const victim = await startVictimAfterFlush(crashScene, { at, time: 2 });
    await scene.publishMany(3, `${endpoint.url}/status/200`);
    await until(async () => endpoint.requests.length === 3 && (await waitingIn(scene, 'WEBHOOKS')) === 0);
    victim.kill();
    await victimKilled(victim);

    expect(await takeOver(crashScene)).toEqual({
      requests: 3,
      webhookIds: 3,
      deadLetters: 0,
      counted: { attempts: counted, acknowledged: counted, deadLettered: 0 },
    });
    const [rows] = await scene.query('SELECT count(*)::int AS attempts FROM rule_nats_delivery_attempts');
    expect(rows).toEqual({ attempts: counted });
    expect((await statisticsOf(scene)).get('victim')).toMatchObject({ messages_delivered: counted });
  });
});
