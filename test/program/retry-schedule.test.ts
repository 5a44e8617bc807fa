import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { deadLetterOf, logOf, openScene, startEndpoint, stopWorker } from './scene.ts';

describe('RETRY_SCHEDULE', () => {
  it('says the delays, and by their number the attempts', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ status: 500 })];
    await scene.startWorker({ RETRY_SCHEDULE: '100ms,1500ms' });
    await deadLetterOf(scene, await scene.publish({ webhook_url: endpoint.url }));
    const [first, second, third] = endpoint.requests.map(({ at }) => at.getTime());
    expect(endpoint.requests).toHaveLength(3);
    expect(second! - first!).toBeGreaterThanOrEqual(75);
    expect(third! - second!).toBeGreaterThanOrEqual(1125);
  });

  it('repeats its last delay where MAX_ATTEMPTS asks for more', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ status: 500 })];
    await scene.startWorker({ RETRY_SCHEDULE: '50ms', MAX_ATTEMPTS: '4' });
    await deadLetterOf(scene, await scene.publish({ webhook_url: endpoint.url }));
    expect(endpoint.requests).toHaveLength(4);
  });

  it('is refused at the start where it is none', async () => {
    const { code, stderr } = await outcomeOf(['worker'], { RETRY_SCHEDULE: '1s,soon' });
    expect(stderr).toContain('RETRY_SCHEDULE: "soon" is not a delay from 1ms to 7d');
    expect(code).not.toBe(0);
  });
});

describe('retry_schedule of a row', () => {
  it('replaces its max_retries and delays, and a wrong one is refused', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint({ status: 500 })];
    await createTables(scene);
    await register(scene, 'orders', endpoint.url, { retry_schedule: '50ms,50ms,50ms,50ms,50ms' });
    await scene.startWorker();
    await deadLetterOf(scene, await scene.publish({}, { subject: 'webhooks.orders' }));
    expect(endpoint.requests).toHaveLength(6);
    await expect(scene.query(`UPDATE rule_webhooks SET retry_schedule = 'soon'`)).rejects.toMatchObject({
      constraint: 'retry_schedule_is_a_schedule',
    });
  });
});

describe('policies that give up within an hour', () => {
  it('are named by the log at the start and by stats: the default one, and untouched rows', async () => {
    const scene = await openScene();
    await createTables(scene);
    await register(scene, 'untouched', 'https://example.com/a');
    await register(scene, 'patient', 'https://example.com/b', { retry_schedule: 'standard' });
    const worker = await scene.startWorker();
    const ends = ['messages with a URL: 7 attempts end after 63 s', 'untouched: 4 attempts end after 7 s'];
    await until(() => logOf(worker).some(({ msg }) => msg === 'retries.end_early'));
    expect(logOf(worker).find(({ msg }) => msg === 'retries.end_early')).toMatchObject({ ends, more: 0 });
    const { stdout } = await outcomeOf(['stats'], scene.env);
    expect(stdout).not.toContain('patient');
    expect(stdout).toContain(`gives up within an hour: ${ends.join('; ')}`);
  });

  it('are not named where there are none', async () => {
    const scene = await openScene();
    const worker = await scene.startWorker({ RETRY_SCHEDULE: 'standard' });
    await stopWorker(worker);
    expect(logOf(worker).map(({ msg }) => msg)).not.toContain('retries.end_early');
    expect((await outcomeOf(['stats'], { ...scene.env, RETRY_SCHEDULE: 'standard' })).stdout).not.toContain(
      'within an hour',
    );
  });
});
