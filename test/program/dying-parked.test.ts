import { describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { type Death, died, SETTINGS, setStage, startVictim, takeOver } from './dying.ts';
import { stopWorker } from './scene.ts';

type Case = Death & {
  /** Where the worker is when it dies, and what follows for the message. */
  readonly tells: string;
  /** What the endpoint answers from then on. */
  readonly status: number;
  /** The one that the stop aborted included, which is not counted. */
  readonly requests: number;
  readonly letters: number;
};

/** Of a message whose attempt a stop aborted. With MAX_ATTEMPTS=3. */
const STOPS: Case[] = [
  {
    tells: 'when it has aborted its attempt, and not parked it yet, is sent again',
    at: 'parking.copying',
    status: 200,
    requests: 2,
    letters: 0,
  },
  {
    tells: 'when it knows that NATS has moved it, is sent again',
    at: 'parking.moved',
    status: 200,
    requests: 2,
    letters: 0,
  },
];

/** Of a message that came out of its endpoint's queue. */
const DRAINS: Case[] = [
  {
    tells: 'when it has the answer, and nothing is decided, is sent a second time',
    at: 'attempt.answered',
    status: 200,
    requests: 3,
    letters: 0,
  },
  {
    tells: 'when it has said the ack, and NATS has not heard it, is sent a second time',
    at: 'ack.buffered',
    status: 200,
    requests: 3,
    letters: 0,
  },
  {
    tells: 'when it has a failure, and has not parked it again, has MAX_ATTEMPTS attempts',
    at: 'parking.copying',
    status: 404,
    requests: 4,
    letters: 1,
  },
  {
    tells: 'when it has parked it again, and not acked the copy before, has MAX_ATTEMPTS attempts',
    at: 'parking.copied',
    status: 404,
    requests: 4,
    letters: 1,
  },
  {
    tells: 'when it has parked it again, the second time, has MAX_ATTEMPTS attempts',
    at: 'parking.copied',
    time: 2,
    status: 404,
    requests: 4,
    letters: 1,
  },
  {
    tells: 'when it knows that NATS has moved it, has MAX_ATTEMPTS attempts',
    at: 'parking.moved',
    status: 404,
    requests: 4,
    letters: 1,
  },
  {
    tells: 'when it has stored its dead letter, is one letter, and not sent again',
    at: 'deadLetter.stored',
    status: 404,
    requests: 4,
    letters: 1,
  },
];

/** One message, with an attempt under way that is only answered when the endpoint recovers. */
async function setHangingStage(status: number) {
  const stage = await setStage();
  const publish = async () => {
    await stage.scene.publish({ webhook_url: `${stage.endpoint.url}/hang/${status}` });
    await until(() => stage.endpoint.requests.length === 1);
  };
  return { ...stage, publish };
}

async function dieInStop(death: Death, status: number) {
  const stage = await setHangingStage(status);
  const victim = await startVictim(stage, death);
  await stage.publish();
  victim.kill();
  await died(victim);
  stage.endpoint.recover();
  return takeOver(stage);
}

describe.concurrent('a message whose worker dies while it stops', () => {
  it.each(STOPS.map((each) => [each.tells, each] as const))('%s', async (_, {
    status,
    requests,
    letters,
    ...death
  }) => {
    expect(await dieInStop(death, status)).toMatchObject({ requests, webhookIds: 1, letters });
  });

  // Where the message itself finds no room when it is handed out again, it is parked as the same copy, and not sent.
  it.each([
    ['is sent again, and so may be its copy', 200, { letters: 0, least: 2, most: 3 }],
    // The aborted one, MAX_ATTEMPTS of the copy, and one less of the message, whose lost hand-out counts.
    ['has attempts of its own, at an endpoint that goes on failing', 404, { letters: 1, least: 4, most: 6 }],
  ])('between storing its copy and its ack %s', async (_, status, { letters, least, most }) => {
    const { requests, ...left } = await dieInStop({ at: 'parking.copied' }, status);
    expect(left).toMatchObject({ webhookIds: 1, letters });
    expect(requests).toBeGreaterThanOrEqual(least);
    expect(requests).toBeLessThanOrEqual(most);
  });
});

describe.concurrent('a parked message whose worker dies', () => {
  it.each(DRAINS.map((each) => [each.tells, each] as const))('%s', async (_, {
    status,
    requests,
    letters,
    ...death
  }) => {
    const stage = await setHangingStage(status);
    const parker = await stage.scene.startWorker({ ...SETTINGS, CONSUMER_NAME: 'parker' });
    await stage.publish();
    await stopWorker(parker);
    stage.endpoint.recover();
    await died(await startVictim(stage, death));
    const left = await takeOver(stage);
    expect(left).toMatchObject({ requests, webhookIds: 1, letters });
    expect(left.counted.deadLettered).toBe(letters);
    expect(left.counted.attempts).toBeLessThan(requests);
  });
});
