import { expect, it } from 'vitest';
import { detachedText } from '../../src/core/detached-text.ts';

it('a detached text has the same characters, up to the given length', () => {
  expect([detachedText('é😀 and more', 100), detachedText('abcdef', 3), detachedText('', 3)]).toEqual([
    'é😀 and more',
    'abc',
    '',
  ]);
});
