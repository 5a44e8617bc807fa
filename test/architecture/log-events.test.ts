import { describe, expect, it } from 'vitest';
import { logEventsIn, logEventsInSource } from './log-events.ts';

const EVENT = /^[a-z_]+\.[a-z_]+$/;

describe('the log', () => {
  const events = logEventsInSource();

  it('has events', () => {
    const names = events.map(({ event }) => event);
    for (const known of ['worker.started', 'delivery.attempted', 'nats.unreachable', 'queue.open_failed'])
      expect(names).toContain(known);
  });

  it('contains only events named `noun.verb`, with their fields before the name', () => {
    expect(events.filter(({ event }) => !EVENT.test(event))).toEqual([]);
  });
});

describe('the search for log events', () => {
  it.each([
    ['a literal', `log.warn({ a: 1 }, 'a.b')`, [['a.b', 'warn']]],
    [
      'both branches of a condition',
      `this.#log.info({}, is ? 'a.b' : 'a.c')`,
      [
        ['a.b', 'info'],
        ['a.c', 'info'],
      ],
    ],
    ['a computed level', `log[level]({}, 'a.b')`, [['a.b', null]]],
    [
      'an argument of a function that logs it',
      `function note(e) { log.error({}, e); } note('a.b');`,
      [['a.b', 'error']],
    ],
    [
      'an argument of a method that logs it',
      `const p = { pause(f, e) { log.warn(f, e); } }; p.pause({}, 'a.b');`,
      [['a.b', 'warn']],
    ],
    ['a sentence', `log.info('it works')`, [[`log.info('it works')`, 'info']]],
    ['a template', 'log.info({}, `it works`)', [['`it works`', 'info']]],
    ['a name from another file', 'log.info({}, WORKS)', [['WORKS', 'info']]],
  ] as const)('finds %s', (_what, text, found) => {
    const events = logEventsIn(new Map([['a.ts', text]]));
    expect(events.map(({ event, level }) => [event, level])).toEqual(found);
  });
});
