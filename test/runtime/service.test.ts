import { expect, it } from 'vitest';
import { independent, type Service, ServiceGroup, serviceOf } from '../../src/runtime/service.ts';

/** A group of services with these names. A name with `!` fails to start, a name with `?` fails to stop. */
function groupOf(...names: string[]) {
  const calls: string[] = [];
  const services = names.map(
    (name): Service => ({
      name,
      async start() {
        calls.push(`start ${name}`);
        if (name.includes('!')) throw new Error(`${name} does not start`);
      },
      async stop() {
        calls.push(`stop ${name}`);
        if (name.includes('?')) throw new Error(`${name} does not stop`);
      },
    }),
  );
  return { group: new ServiceGroup('all', services), calls };
}

it('a group starts its services in order, and stops them in reverse', async () => {
  const { group, calls } = groupOf('a', 'b', 'c');
  await group.start();
  await group.stop();
  expect(calls).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
});

it('a service that fails to start is stopped with the services before it, and the group throws its error', async () => {
  const { group, calls } = groupOf('a', 'b!', 'c');
  await expect(group.start()).rejects.toThrow('b! does not start');
  expect(calls).toEqual(['start a', 'start b!', 'stop b!', 'stop a']);
});

it('a service that fails to stop does not keep the others running, and the group throws its error', async () => {
  const { group, calls } = groupOf('a', 'b?', 'c');
  await group.start();
  await expect(group.stop()).rejects.toThrow('b? does not stop');
  expect(calls.slice(-3)).toEqual(['stop c', 'stop b?', 'stop a']);
});

it('a second stop of a group does nothing', async () => {
  const { group, calls } = groupOf('a');
  await group.start();
  await group.stop();
  await group.stop();
  expect(calls).toEqual(['start a', 'stop a']);
});

it('a second stop of a group waits for the first one, and stops each service once', async () => {
  const calls: string[] = [];
  let finishStop = () => {};
  const slow = {
    name: 'slow',
    start() {},
    stop: () => new Promise<void>((resolve) => (finishStop = resolve)),
  };
  const first = { name: 'first', start() {}, stop: () => void calls.push('first stopped') };
  const group = new ServiceGroup('all', [first, slow]);
  await group.start();
  const stops = Promise.all([group.stop(), group.stop()]);
  expect(calls).toEqual([]);
  finishStop();
  await stops;
  expect(calls).toEqual(['first stopped']);
});

it('independent services are stopped at the same time', async () => {
  const calls: string[] = [];
  let finishStop = () => {};
  const named = (name: string, stopped: () => Promise<void> | void): Service => ({
    name,
    start: () => void calls.push(`start ${name}`),
    stop() {
      calls.push(`stop ${name}`);
      return stopped();
    },
  });
  const hangs = () => new Promise<void>((resolve) => (finishStop = resolve));
  const services = independent('sources', [named('quick', () => {}), named('slow', hangs)]);
  await services.start();
  const stopping = services.stop();
  expect(calls).toEqual(['start quick', 'start slow', 'stop quick', 'stop slow']);
  finishStop();
  await stopping;
});

it('a service can be a function that starts something and returns the function that stops it', async () => {
  const calls: string[] = [];
  const service = serviceOf('timer', () => {
    calls.push('started');
    return () => void calls.push('stopped');
  });
  await service.stop();
  await service.start();
  await service.stop();
  expect(calls).toEqual(['started', 'stopped']);
});
