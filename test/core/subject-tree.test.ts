import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matches } from '../../src/core/subject.ts';
import { isPattern, SubjectTree } from '../../src/core/subject-tree.ts';

const token = fc.constantFrom('a', 'b', 'c', '*', '>', 'a*');
const patterns = fc.array(fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.')));
const subject = fc
  .array(fc.constantFrom('a', 'b', 'c', 'a*'), { minLength: 1, maxLength: 5 })
  .map((tokens) => tokens.join('.'));

function treeOf(all: readonly string[]): SubjectTree<number> {
  const tree = new SubjectTree<number>();
  for (const [index, pattern] of all.entries()) tree.add(pattern, index);
  return tree;
}

describe('a tree of subject patterns', () => {
  it('finds exactly the patterns that match a subject', () => {
    fc.assert(
      fc.property(patterns, subject, (all, one) => {
        const expected = [...all.keys()].filter((index) => matches(all[index]!, one));
        expect(
          treeOf(all)
            .match(one)
            .sort((a, b) => a - b),
        ).toEqual(expected);
      }),
    );
  });

  it('forgets a deleted value, and nothing else', () => {
    fc.assert(
      fc.property(patterns, subject, fc.infiniteStream(fc.boolean()), (all, one, isDeleted) => {
        const tree = treeOf(all);
        const left = [...all.entries()].filter(([index, pattern]) => {
          if (!isDeleted.next().value) return true;
          tree.delete(pattern, index);
          return false;
        });
        const expected = left.filter(([, pattern]) => matches(pattern, one)).map(([index]) => index);
        expect(tree.match(one).sort((a, b) => a - b)).toEqual(expected);
      }),
    );
  });

  it('finds a pattern among many with as many steps as the subject has tokens', () => {
    const tree = new SubjectTree<number>();
    for (let number = 0; number < 5000; number++) tree.add(`webhooks.${number}.>`, number);
    expect(tree.match('webhooks.4711.order.created')).toEqual([4711]);
    expect(tree.match('webhooks.nobody.order.created')).toEqual([]);
  });

  it.each([
    ['webhooks.*', true],
    ['webhooks.>', true],
    ['*.orders', true],
    ['>', true],
    ['webhooks.or*', false],
    ['webhooks.orders', false],
    ['webhooks.>.orders', false],
  ])('%s counts as a pattern: %s', (text, expected) => {
    expect(isPattern(text)).toBe(expected);
  });
});
