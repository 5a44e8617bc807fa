import { expect, it } from 'vitest';
import { independent, type Service, ServiceGroup, serviceOf } from '../../src/runtime/service.ts';

/** Services by their names; one whose name has `!` cannot be started, one with `?` cannot be stopped. */
function open(...names: string[]) {
  const done: string[] = [];
  const services = names.map(
    (name): Service => ({
      name,
      async start() {
        done.push(`start ${name}`);
        if (name.includes('!')) throw new Error(`${name} does not start`);
      },
      async stop() {
        done.push(`stop ${name}`);
        if (name.includes('?')) throw new Error(`${name} does not stop`);
      },
    }),
  );
  return { group: new ServiceGroup('all', services), done };
}

it('a group starts its services in order, and stops them in reverse', async () => {
  const { group, done } = open('a', 'b', 'c');
  await group.start();
  await group.stop();
  expect(done).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
});

it('a service that cannot be started is stopped with those before it, and its error is thrown', async () => {
  const { group, done } = open('a', 'b!', 'c');
  await expect(group.start()).rejects.toThrow('b! does not start');
  expect(done).toEqual(['start a', 'start b!', 'stop b!', 'stop a']);
});

it('a service that cannot be stopped keeps no other running, and its error is thrown', async () => {
  const { group, done } = open('a', 'b?', 'c');
  await group.start();
  await expect(group.stop()).rejects.toThrow('b? does not stop');
  expect(done.slice(-3)).toEqual(['stop c', 'stop b?', 'stop a']);
});

it('a second stop does nothing', async () => {
  const { group, done } = open('a');
  await group.start();
  await group.stop();
  await group.stop();
  expect(done).toEqual(['start a', 'stop a']);
});

it('a stop during a stop waits for it, and stops nothing twice or early', async () => {
  const done: string[] = [];
  let end = () => {};
  const slow = { name: 'slow', start() {}, stop: () => new Promise<void>((resolve) => (end = resolve)) };
  const first = { name: 'first', start() {}, stop: () => void done.push('first stopped') };
  const group = new ServiceGroup('all', [first, slow]);
  await group.start();
  const stops = Promise.all([group.stop(), group.stop()]);
  expect(done).toEqual([]);
  end();
  await stops;
  expect(done).toEqual(['first stopped']);
});

it('independent services are all told to stop before one of them has stopped', async () => {
  const done: string[] = [];
  let end = () => {};
  const named = (name: string, stopped: () => Promise<void> | void): Service => ({
    name,
    start: () => void done.push(`start ${name}`),
    stop() {
      done.push(`stop ${name}`);
      return stopped();
    },
  });
  const hangs = () => new Promise<void>((resolve) => (end = resolve));
  const services = independent('sources', [named('quick', () => {}), named('slow', hangs)]);
  await services.start();
  const stopping = services.stop();
  expect(done).toEqual(['start quick', 'start slow', 'stop quick', 'stop slow']);
  end();
  await stopping;
});

it('a service can be a function that begins something and returns what ends it', async () => {
  const done: string[] = [];
  const service = serviceOf('timer', () => {
    done.push('begun');
    return () => void done.push('ended');
  });
  await service.stop();
  await service.start();
  await service.stop();
  expect(done).toEqual(['begun', 'ended']);
});
