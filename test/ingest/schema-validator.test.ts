import { describe, expect, it } from 'vitest';
import { PAYMENTS_SOURCE } from '../../src/core/source/payments.ts';
import { schemaProblem } from '../../src/core/source/schema-bounds.ts';
import { compileSchema, FORMATS, type Validator } from '../../src/ingest/schema-validator.ts';

function validatorOf(schema: object | boolean): Validator {
  expect(schemaProblem(schema)).toBeNull();
  const validator = compileSchema(schema);
  expect(validator).toBeTypeOf('function');
  return validator as Validator;
}
const problemsOf = (schema: object | boolean, payload: unknown, bytes = 100) =>
  validatorOf(schema)(payload, bytes);

const PAYMENT = {
  event_id: 'evt_12345',
  type: 'payment.completed',
  amount: '5000',
  currency: 'NGN',
  occurred_at: '2026-01-10T12:00:00Z',
};
const SCHEMA = PAYMENTS_SOURCE.schema as object;

describe('a payment', () => {
  it.each([
    [{}],
    [{ amount: '0.01' }],
    [{ amount: '-12.50' }],
    [{ amount: '123456789012345678901234567890' }],
    [{ occurred_at: '2026-01-10T12:00:00.123456+01:00' }],
    [{ more: { any: 'thing' } }],
  ])('with %j is valid', (change) => {
    expect(problemsOf(SCHEMA, { ...PAYMENT, ...change })).toBeNull();
  });

  it.each([
    [{ amount: 5000 }, '/amount', /^must be string: a decimal number as a string, such as "5000"/],
    [{ amount: '5,000' }, '/amount', /^must match pattern/],
    [{ amount: '' }, '/amount', /^must match pattern/],
    [{ amount: '1e3' }, '/amount', /^must match pattern/],
    [{ amount: '.5' }, '/amount', /^must match pattern/],
    [{ amount: '5.' }, '/amount', /^must match pattern/],
    [{ amount: '5\n' }, '/amount', /^must match pattern/],
    [{ amount: '٥' }, '/amount', /^must match pattern/],
    [{ amount: '1'.repeat(41) }, '/amount', /must NOT have more than 40 characters/],
    [{ amount: undefined }, '/amount', /^is missing: a decimal number/],
    [{ currency: 'ngn' }, '/currency', /ISO 4217/],
    [{ currency: 'NGNX' }, '/currency', /ISO 4217/],
    [{ occurred_at: '2026-01-10' }, '/occurred_at', /^must match format "date-time"/],
    [{ occurred_at: '2026-02-30T12:00:00Z' }, '/occurred_at', /^must match format "date-time"/],
    [{ occurred_at: '2026-01-10T12:00:00' }, '/occurred_at', /^must match format "date-time"/],
    [{ event_id: '' }, '/event_id', /^must NOT have fewer than 1 characters/],
    [{ event_id: 12345 }, '/event_id', /^must be string/],
    [{ type: null }, '/type', /^must be string/],
  ])('with %j has a problem at %s', (change, pointer, detail) => {
    const payload = JSON.parse(JSON.stringify({ ...PAYMENT, ...change }));
    expect(problemsOf(SCHEMA, payload)).toEqual([{ pointer, detail: expect.stringMatching(detail) }]);
  });

  it.each([[null], [[]], ['text'], [5]])('that is %j is no object', (payload) => {
    expect(problemsOf(SCHEMA, payload)).toEqual([{ pointer: '', detail: 'must be object' }]);
  });

  it('that is empty is told of everything that is missing, and a large one only of the first', () => {
    const pointers = (bytes: number) => problemsOf(SCHEMA, {}, bytes)!.map(({ pointer }) => pointer);
    expect(pointers(2)).toEqual(['/event_id', '/type', '/amount', '/currency', '/occurred_at']);
    expect(pointers(16_385)).toEqual(['/event_id']);
  });
});

describe('the problems of a payload', () => {
  it('repeat no value of the payload', () => {
    const schema = {
      properties: {
        a: { const: 'x' },
        b: { enum: ['x'] },
        c: { pattern: '^x$' },
        d: { format: 'email' },
        e: { maxLength: 1 },
        f: { not: { type: 'string' } },
        g: { propertyNames: { maxLength: 1 } },
        h: { additionalProperties: false },
        i: { unevaluatedProperties: false },
        j: { oneOf: [{ type: 'number' }, { const: 1 }] },
        k: { contains: { const: 'x' } },
        l: { maxItems: 10, uniqueItems: true },
        m: { dependentRequired: { n: ['o'] } },
      },
    };
    const secret = 'sk-secret';
    const payload = {
      ...Object.fromEntries([...'abcdef'].map((name) => [name, secret])),
      g: { [secret]: 1 },
      h: { [secret]: 1 },
      i: { [secret]: 1 },
      j: secret,
      k: [secret],
      l: [secret, secret],
      m: { n: secret },
    };
    const problems = problemsOf(schema, payload)!;
    expect(new Set(problems.map(({ pointer }) => pointer.slice(0, 2)))).toEqual(
      new Set([...'abcdefghijklm'].map((name) => `/${name}`)),
    );
    expect(JSON.stringify(problems)).not.toContain(secret);
  });

  it('have pointers with escapes', () => {
    expect(problemsOf({ properties: { 'a/b~c': { type: 'string' } } }, { 'a/b~c': 1 })).toEqual([
      { pointer: '/a~1b~0c', detail: 'must be string' },
    ]);
    expect(problemsOf({ required: ['a/b~c'] }, {})).toEqual([{ pointer: '/a~1b~0c', detail: 'is missing' }]);
  });

  it('are at most 20, with pointers of a bounded length', () => {
    const schema = { additionalProperties: { type: 'string' } };
    const payload = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`${n}`.padEnd(1000, 'x'), 1]));
    const problems = problemsOf(schema, payload)!;
    expect(problems).toHaveLength(20);
    for (const { pointer } of problems) expect(pointer.length).toBeLessThan(310);
  });
});

describe('a payload that is meant to keep the API busy', () => {
  it.each([
    ['^(a+)+$', `${'a'.repeat(100_000)}!`],
    ['^(a|a)*$', `${'a'.repeat(100_000)}!`],
    ['^\\d*\\d*\\d*\\d*$', `${'1'.repeat(100_000)}!`],
    ['^([a-z]+)*\\d$', 'a'.repeat(100_000)],
  ])('is judged in time by the pattern %s', (pattern, text) => {
    const schema = { type: 'object', properties: { a: { pattern } }, patternProperties: { [pattern]: {} } };
    expect(problemsOf(schema, { a: text, [text]: 1 }, 200_000)).toHaveLength(1);
  });

  it.each(FORMATS)('is judged in time by the format %s', (format) => {
    const validate = validatorOf({ items: { format } });
    const repeated = [
      'a',
      '1',
      '.',
      ':',
      '/',
      '%',
      '-',
      '@',
      'a.',
      'a-',
      '1:',
      '{a}',
      '[',
      '(',
      'a@',
      '%41',
      'P1Y',
      'http://a',
    ];
    for (const part of repeated) {
      for (const end of ['', '!', '\0', '@', '}'])
        validate([part.repeat(50_000 / part.length) + end], 50_000);
    }
  });

  it('is invalid if it is nested too deeply for a recursive schema', () => {
    const depth = 200_000;
    const payload = JSON.parse(`${'[1,'.repeat(depth)}1${']'.repeat(depth)}`);
    const validate = validatorOf({
      $ref: '#/$defs/list',
      $defs: { list: { items: { $ref: '#/$defs/list' } } },
    });
    expect(validate(payload, 800_000)).toEqual([{ pointer: '', detail: 'is nested too deeply' }]);
  });
});

describe('a schema', () => {
  it.each([
    [{ type: 'strin' }, /type/],
    [{ typ: 'string' }, /unknown keyword: "typ"/],
    [{ format: 'nonsense' }, /unknown format "nonsense"/],
    [{ format: 'url' }, /unknown format "url"/],
    [{ format: 'regex' }, /unknown format "regex"/],
    [{ pattern: '(' }, /pattern|regular|parsing/i],
    [{ pattern: '^(?=a)' }, /\(\?=/],
    [{ pattern: '(a)\\1' }, /escape sequence/],
    [{ pattern: '((x{1,1000}){1,1000})' }, /too large|repeat/],
    [{ $ref: '#/$defs/none' }, /can't resolve reference/],
    [{ required: 'a' }, /must be array/],
    [{ minimum: '1' }, /must be number/],
    [{ id: 'a' }, /"id"/],
  ])('%j cannot be used, and the sentence says why', (schema, why) => {
    const problem = compileSchema(schema);
    expect(problem).toBeTypeOf('string');
    expect(problem).toMatch(/^the schema cannot be used: /);
    expect(problem).toMatch(why);
  });

  it.each([
    [true, null],
    [false, [{ pointer: '', detail: 'boolean schema is false' }]],
  ])('may be %j', (schema, problems) => {
    expect(problemsOf(schema, { any: 1 })).toEqual(problems);
  });

  it('may have annotations, and the $id of another source', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/one',
      title: 't',
      description: 'd',
      examples: [1],
      default: 1,
      deprecated: true,
      readOnly: true,
      $comment: 'c',
      $defs: { a: { type: 'integer' } },
      prefixItems: [{ $ref: '#/$defs/a' }],
      items: false,
    };
    for (let n = 0; n < 2; n++) expect(problemsOf(schema, [1])).toBeNull();
    expect(problemsOf(schema, ['x'])).toMatchObject([{ pointer: '/0' }]);
  });
});
