import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { RE2JS } from 're2js';
import { errorMessage } from '../runtime/failure.ts';

/** What is wrong with a payload. Neither part repeats a value of the payload. */
export type PayloadProblem = {
  /** A JSON pointer to the place; the empty text is the payload itself. */
  readonly pointer: string;
  readonly detail: string;
};

/** @param bytes The size of the body. @returns Null: the payload is valid. */
export type Validator = (payload: unknown, bytes: number) => readonly PayloadProblem[] | null;

const MOST_PROBLEMS = 20;
const LONGEST_POINTER = 300;

/**
 * All problems of a payload are looked for up to this size, in bytes, and only the first one above: to look for all takes time even
 * if the first bound of the schema is exceeded.
 */
const ALL_PROBLEMS_UP_TO = 16_384;

/** Without `url` and `regex`, whose checks of a long text take seconds. */
export const FORMATS = [
  'date',
  'time',
  'date-time',
  'iso-time',
  'iso-date-time',
  'duration',
  'uri',
  'uri-reference',
  'uri-template',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
  'json-pointer',
  'json-pointer-uri-fragment',
  'relative-json-pointer',
  'byte',
  'int32',
  'int64',
  'float',
  'double',
] as const;

/** Checks schemas themselves. To compile the schema of all schemas takes longer than most schemas do, so that all share one. */
let schemas: Ajv2020 | null = null;

/**
 * Compiles a JSON Schema (2020-12). Patterns have the syntax of RE2, without lookaheads and references, so that a payload can
 * never make a pattern slow.
 *
 * @param schema Within the bounds of `schemaProblem`.
 * @returns A sentence that says what is wrong with the schema, if it cannot be compiled.
 */
export function compileSchema(schema: object | boolean): Validator | string {
  schemas ??= compilerWith({ meta: true });
  if (!schemas.validateSchema(schema)) {
    return `the schema cannot be used: ${schemas.errorsText(schemas.errors, { dataVar: 'schema' })}`;
  }
  let first: ValidateFunction;
  try {
    first = compilerWith({}).compile(schema);
  } catch (error) {
    return `the schema cannot be used: ${errorMessage(error)}`;
  }
  let all: ValidateFunction | null = null;
  return (payload, bytes) => {
    try {
      if (first(payload)) return null;
      if (bytes > ALL_PROBLEMS_UP_TO) return problemsOf(first.errors ?? []);
      all ??= compilerWith({ allErrors: true }).compile(schema);
      all(payload);
      return problemsOf(all.errors ?? []);
    } catch (error) {
      // The call stack is used up by a payload that is as deep as a recursive schema allows.
      if (error instanceof RangeError) return [{ pointer: '', detail: 'is nested too deeply' }];
      throw error;
    }
  };
}

function compilerWith({ allErrors = false, meta = false }): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors,
    meta,
    validateSchema: meta,
    // An unknown keyword is a mistake: ajv would check nothing for it.
    strictSchema: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowUnionTypes: true,
    allowMatchingProperties: true,
    // Errors with the part of the schema that was not met, for its description.
    verbose: true,
    logger: false,
    code: { regExp: Object.assign(linearRegExp, { code: 'linearRegExp' }) },
  });
  // The schema of all schemas has the format regex.
  addFormats.default(ajv, meta ? ['regex', ...FORMATS] : [...FORMATS]);
  return ajv;
}

function linearRegExp(pattern: string): { test(text: string): boolean; toString(): string } {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  // ajv takes two patterns with the same text for one.
  return { test: (text) => compiled.test(text), toString: () => `/${pattern}/` };
}

function problemsOf(errors: readonly ErrorObject[]): readonly PayloadProblem[] {
  const problems = new Map<string, PayloadProblem>();
  for (const error of errors) {
    const problem = problemOf(error);
    problems.set(`${problem.pointer} ${problem.detail}`, problem);
  }
  return [...problems.values()].slice(0, MOST_PROBLEMS);
}

function problemOf({ keyword, instancePath, params, message, parentSchema }: ErrorObject): PayloadProblem {
  if (keyword === 'required') {
    return {
      pointer: pointerOf(`${instancePath}/${tokenOf(params.missingProperty)}`),
      detail: withDescription('is missing', parentSchema?.properties?.[params.missingProperty]),
    };
  }
  const detail = message ?? 'does not match the schema';
  return { pointer: pointerOf(instancePath), detail: withDescription(detail, parentSchema) };
}

function withDescription(detail: string, schema: unknown): string {
  const description = (schema as { description?: unknown } | undefined)?.description;
  return typeof description === 'string' ? `${detail}: ${description}` : detail;
}

function tokenOf(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function pointerOf(path: string): string {
  return path.length > LONGEST_POINTER ? `${path.slice(0, LONGEST_POINTER)}…` : path;
}
