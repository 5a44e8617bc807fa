import { expect, it } from 'vitest';
import { subjectPrefixOf } from '../../src/config/subject-prefix.ts';
import { UserError } from '../../src/runtime/failure.ts';

it.each([
  [['webhooks.*'], 'webhooks'],
  [['events.>'], 'events'],
  [['eu.events.*', 'us.events.*'], 'eu.events'],
  [['events.*', 'webhooks.*'], 'webhooks'],
  [['events.orders', 'audit.*'], 'audit'],
  [['events.orders'], 'events'],
  [['*.orders', 'events.*'], 'events'],
])('the subjects %j publish under %s', (subjects, prefix) => {
  expect(subjectPrefixOf(subjects)).toBe(prefix);
});

it.each([
  [['orders']],
  [['>']],
  [['*']],
  [['*.orders']],
  [['a.*.b']],
])('the subjects %j have no place for a name', (subjects) => {
  expect(() => subjectPrefixOf(subjects)).toThrow(UserError);
});
