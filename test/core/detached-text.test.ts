import { expect, it } from 'vitest';
import { ownText } from '../../src/core/detached-text.ts';

it('is the same text, up to so many characters', () => {
  expect([ownText('é😀 and more', 100), ownText('abcdef', 3), ownText('', 3)]).toEqual([
    'é😀 and more',
    'abc',
    '',
  ]);
});
