import { describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { type KillPoint, openCrashScene, SETTINGS, startVictim, takeOver, victimKilled } from './dying.ts';
import { stopWorker } from './scene.ts';

type Case = KillPoint & {
  /** When the worker is killed, and the result for the message. */
  readonly title: string;
  /** The status with which the endpoint answers after it recovers. */
  readonly status: number;
  /** All requests, also the aborted one, which does not count as an attempt. */
  readonly requests: number;
  readonly deadLetters: number;
};

/** Each case is about one message whose attempt was aborted by a stop, with MAX_ATTEMPTS=3. */
const STOPS: Case[] = [
  {
    title: 'after its attempt is aborted, before it is parked, is sent again',
    at: 'parking.copying',
    status: 200,
    requests: 2,
    deadLetters: 0,
  },
  {
    title: 'after NATS has confirmed that it is parked is sent again',
    at: 'parking.moved',
    status: 200,
    requests: 2,
    deadLetters: 0,
  },
];

/** Each case is about one message from the parked queue of its endpoint. */
const PARKED: Case[] = [
  {
    title: 'after the answer, before the verdict, is sent a second time',
    at: 'attempt.answered',
    status: 200,
    requests: 3,
    deadLetters: 0,
  },
  {
    title: 'after the ack is buffered, before NATS receives it, is sent a second time',
    at: 'ack.buffered',
    status: 200,
    requests: 3,
    deadLetters: 0,
  },
  {
    title: 'after a failure, before it is parked again, gets MAX_ATTEMPTS attempts',
    at: 'parking.copying',
    status: 404,
    requests: 4,
    deadLetters: 1,
  },
  {
    title: 'after it is parked again, before the earlier copy is acked, gets MAX_ATTEMPTS attempts',
    at: 'parking.copied',
    status: 404,
    requests: 4,
    deadLetters: 1,
  },
  {
    title: 'after it is parked again for the second time gets MAX_ATTEMPTS attempts',
    at: 'parking.copied',
    time: 2,
    status: 404,
    requests: 4,
    deadLetters: 1,
  },
  {
    title: 'after NATS has confirmed that it is parked again gets MAX_ATTEMPTS attempts',
    at: 'parking.moved',
    status: 404,
    requests: 4,
    deadLetters: 1,
  },
  {
    title: 'after its dead letter is stored has one dead letter, and is not sent again',
    at: 'deadLetter.stored',
    status: 404,
    requests: 4,
    deadLetters: 1,
  },
];

/** `publish` stores one message, and waits for its attempt. The endpoint answers when it recovers. */
async function openHangingScene(status: number) {
  const crashScene = await openCrashScene();
  const publish = async () => {
    await crashScene.scene.publish({ webhook_url: `${crashScene.endpoint.url}/hang/${status}` });
    await until(() => crashScene.endpoint.requests.length === 1);
  };
  return { ...crashScene, publish };
}

async function killDuringStop(killPoint: KillPoint, status: number) {
  const crashScene = await openHangingScene(status);
  const victim = await startVictim(crashScene, killPoint);
  await crashScene.publish();
  victim.kill();
  await victimKilled(victim);
  crashScene.endpoint.recover();
  return takeOver(crashScene);
}

describe.concurrent('a message whose worker is killed while it stops', () => {
  it.each(STOPS.map((each) => [each.title, each] as const))('%s', async (_, {
    status,
    requests,
    deadLetters,
    ...killPoint
  }) => {
    expect(await killDuringStop(killPoint, status)).toMatchObject({ requests, webhookIds: 1, deadLetters });
  });

  // If the endpoint has no capacity when NATS redelivers the message, it is parked as the same copy, and not sent.
  it.each([
    ['is sent again, and its copy may be sent, too', 200, { deadLetters: 0, min: 2, max: 3 }],
    // The aborted attempt, MAX_ATTEMPTS of the copy, and one less of the message: its first delivery by NATS counts.
    [
      'gets attempts beside those of its copy, if the endpoint goes on failing',
      404,
      { deadLetters: 1, min: 4, max: 6 },
    ],
  ])('after its copy is stored, before its ack, %s', async (_, status, { deadLetters, min, max }) => {
    const { requests, ...left } = await killDuringStop({ at: 'parking.copied' }, status);
    expect(left).toMatchObject({ webhookIds: 1, deadLetters });
    expect(requests).toBeGreaterThanOrEqual(min);
    expect(requests).toBeLessThanOrEqual(max);
  });
});

describe.concurrent('a parked message whose worker is killed', () => {
  it.each(PARKED.map((each) => [each.title, each] as const))('%s', async (_, {
    status,
    requests,
    deadLetters,
    ...killPoint
  }) => {
    const crashScene = await openHangingScene(status);
    const parker = await crashScene.scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'parker' });
    await crashScene.publish();
    await stopWorker(parker);
    crashScene.endpoint.recover();
    await victimKilled(await startVictim(crashScene, killPoint));
    const left = await takeOver(crashScene);
    expect(left).toMatchObject({ requests, webhookIds: 1, deadLetters });
    expect(left.counted.deadLettered).toBe(deadLetters);
    expect(left.counted.attempts).toBeLessThan(requests);
  });
});
