import { expect, it } from 'vitest';
import { type Service, ServiceGroup, serviceOf } from '../../src/runtime/service.ts';

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
