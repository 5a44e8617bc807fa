import type { KeyObject } from 'node:crypto';
import { JsonPaths } from '../core/json/paths.ts';
import { type Locator, parseLocator, valueAt } from '../core/source/locator.ts';
import {
  type RequestHeaders,
  type SignatureProblem,
  signatureProblem,
  signingKeyOf,
} from '../core/source/signature.ts';
import type { SourceRow } from '../core/source/source-row.ts';
import { compileSchema, type PayloadProblem, type Validator } from './schema-validator.ts';

/** What a request says of its webhook, where the source declares it; else null. */
export type DeclaredFacts = {
  readonly idempotencyKey: string | null;
  readonly eventType: string | null;
  readonly eventId: string | null;
};

const FACTS = ['idempotencyKey', 'eventType', 'eventId'] as const;

/** A named producer of webhooks, with the checks of its requests. */
export class Source {
  readonly row: SourceRow;
  /** Why nothing can be accepted for it (status 503), for the log; null: nothing is wrong. */
  readonly problem: string | null;
  /** Requests are only accepted with a valid signature. */
  readonly isSigned: boolean;
  /** Requests need an API key. A valid signature takes its place, unless the source asks for both. */
  readonly needsKey: boolean;
  readonly #keys: readonly KeyObject[];
  readonly #validator: Validator | null;
  readonly #locators: Readonly<Record<(typeof FACTS)[number], Locator | null>>;
  /** All fields of the body that the declarations name, and where those of each declaration begin. */
  readonly #paths: JsonPaths | null;
  readonly #starts: readonly number[];

  constructor(row: SourceRow) {
    this.row = row;
    const compiled = row.problem === null && row.schema !== null ? compileSchema(row.schema as object) : null;
    this.problem = row.problem ?? (typeof compiled === 'string' ? compiled : null);
    this.isSigned = row.signature !== null && row.secrets.length > 0;
    this.needsKey = row.keyRequired || !this.isSigned;
    const { signature, secrets } = row;
    this.#keys = signature === null ? [] : secrets.flatMap((secret) => signingKeyOf(signature, secret) ?? []);
    this.#validator = typeof compiled === 'function' ? compiled : null;
    this.#locators = {
      idempotencyKey: locatorOf(row.idempotencyKey),
      eventType: locatorOf(row.eventType),
      eventId: locatorOf(row.eventId),
    };
    const paths: (readonly string[])[] = [];
    this.#starts = FACTS.map((fact) => {
      const locator = this.#locators[fact];
      return locator?.from === 'body' ? paths.push(...locator.paths) - locator.paths.length : paths.length;
    });
    this.#paths = paths.length === 0 ? null : new JsonPaths(paths);
  }

  get name(): string {
    return this.row.name;
  }

  /**
   * Checks the signature, if the source has a secret. The reason is for our log: tell the caller the same for all reasons.
   *
   * @param body The bytes as they came, after a `Content-Encoding` was undone.
   * @param now Milliseconds since 1970.
   */
  verify(headers: RequestHeaders, body: Uint8Array, now: number): SignatureProblem | null {
    if (!this.isSigned) return null;
    return signatureProblem(this.row.signature!, this.#keys, headers, body, now);
  }

  /** True if the body has to be JSON. */
  get hasSchema(): boolean {
    return this.row.schema !== null;
  }

  /** @param bytes The size of the body. @returns Null: the payload is as the schema says. */
  validate(payload: unknown, bytes: number): readonly PayloadProblem[] | null {
    return this.#validator === null ? null : this.#validator(payload, bytes);
  }

  /** Reads what the source declares. Of the bytes, so that large numbers keep their digits. */
  facts(headers: RequestHeaders, body: Uint8Array): DeclaredFacts {
    const fields = this.#paths?.valuesIn(body) ?? null;
    const valueOfFact = (fact: (typeof FACTS)[number]) => {
      const locator = this.#locators[fact];
      if (locator === null) return null;
      const start = this.#starts[FACTS.indexOf(fact)]!;
      const own =
        locator.from === 'body' ? (fields?.slice(start, start + locator.paths.length) ?? null) : null;
      return valueAt(locator, headers, own);
    };
    return {
      idempotencyKey: valueOfFact('idempotencyKey'),
      eventType: valueOfFact('eventType'),
      eventId: valueOfFact('eventId'),
    };
  }
}

function locatorOf(text: string | null): Locator | null {
  const locator = text === null ? null : parseLocator(text);
  return typeof locator === 'string' ? null : locator;
}
