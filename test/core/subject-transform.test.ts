import { expect, it } from 'vitest';
import { meetOf } from '../../src/core/subject.ts';
import { transformedPattern } from '../../src/core/subject-transform.ts';

it.each<[string, string, string | null]>([
  ['a.*', '*.b', 'a.b'],
  ['a.>', '*.b.*', 'a.b.*'],
  ['>', 'a.*', 'a.*'],
  ['a.>', 'a.>', 'a.>'],
  ['a.*', 'b.*', null],
  ['a', 'a.>', null],
  ['a.*', 'a.*.*', null],
])('the subjects that match %s and %s match %s', (one, other, expected) => {
  expect(meetOf(one, other)).toBe(expected);
  expect(meetOf(other, one)).toBe(expected);
});

it.each<[pattern: string, src: string, dest: string, expected: string | null]>([
  ['webhooks.*', 'webhooks.*', 'hooks.{{wildcard(1)}}', 'hooks.*'],
  ['webhooks.users', 'webhooks.*', 'hooks.{{wildcard(1)}}', 'hooks.users'],
  ['webhooks.users', 'webhooks.*', 'hooks.{{ Wildcard( 1 ) }}', 'hooks.users'],
  ['webhooks.users', 'webhooks.*', 'hooks.$1', 'hooks.users'],
  ['a.b', '*.*', '$2.$1', 'b.a'],
  ['a.>', '*.*', '$2.$1', '*.a'],
  ['a.>', '*.*.>', 'x.$1.$2.>', 'x.a.*.>'],
  ['webhooks.>', 'webhooks.>', 'hooks.>', 'hooks.>'],
  ['webhooks.a.b', 'webhooks.>', 'hooks.>', 'hooks.a.b'],
  ['webhooks.a', '>', 'pre.>', 'pre.webhooks.a'],
  ['webhooks.a', '', 'pre.>', 'pre.webhooks.a'],
  ['webhooks.a', '', '', 'webhooks.a'],
  ['webhooks.a', 'orders.*', 'hooks.$1', null],
  ['webhooks.a', 'webhooks.*', 'fixed', 'fixed'],
  ['webhooks.a', 'webhooks.*', 'hooks.{{partition(4,1)}}.$1', 'hooks.*.a'],
  ['webhooks.a', 'webhooks.*', 'hooks.x-{{partition(4,1)}}', 'hooks.*'],
  ['webhooks.a', 'webhooks.*', 'hooks.{{split(1,-)}}', 'hooks.>'],
  ['webhooks.a', 'webhooks.*', 'hooks.{{splitFromLeft(1,2)}}.tail', 'hooks.>'],
  ['webhooks.a', 'webhooks.*', 'hooks.$7', 'hooks.*'],
])('of %s, the transform from %j to %j makes %s', (pattern, src, dest, expected) => {
  expect(transformedPattern(pattern, { src, dest })).toBe(expected);
});
