import { expect, it } from 'vitest';
import { detachedText } from '../../src/core/detached-text.ts';

it('is the same text, up to so many characters', () => {
  expect([detachedText('é😀 and more', 100), detachedText('abcdef', 3), detachedText('', 3)]).toEqual([
    'é😀 and more',
    'abc',
    '',
  ]);
});
