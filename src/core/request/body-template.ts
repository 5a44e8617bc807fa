import { JsonPaths, whyNoText } from '../json/paths.ts';
import { scanJson } from '../json/scan.ts';
import { Header } from '../message/nats-headers.ts';
import { type BodyForm, formOf, writeJson, writeText } from './body-encoding.ts';
import { eventTypesOf } from './event-type.ts';
import { quoted } from './headers.ts';
import { type Malformed, malformed } from './malformed.ts';

/** The values that fill a row's `body_template`. */
export type TemplateInput = {
  /** The delivery id. */
  readonly id: string;
  /** The payload. */
  readonly data: Uint8Array;
  readonly message: { readonly subject: string; header(name: string): string | undefined };
};

type Root = 'data' | 'id' | 'subject' | 'event_type';

type Insertion = {
  /** The placeholder as it is written, for a person: `{{data.user.id}}`. */
  readonly written: string;
  readonly root: Root;
  /** The path below `data`. */
  readonly path: readonly string[];
  readonly form: BodyForm;
};

/** A `body_template`, checked. */
export type BodyTemplate = {
  readonly kind: 'template';
  /** The parts around the insertions: one more than there are insertions. */
  readonly literals: readonly Uint8Array[];
  readonly insertions: readonly Insertion[];
  /** The paths of the insertions that are looked up in `data`, in their order; null if there are none. */
  readonly paths: JsonPaths | null;
};

const PLACEHOLDER = /\{\{([^{}]*)\}\}/;
const ROOTS: readonly Root[] = ['data', 'id', 'subject', 'event_type'];
const NOTHING = { key: () => {}, value: () => {} };

/**
 * Compiles a `body_template`. Malformed: an unknown placeholder, braces that are not closed, and, if the Content-Type is JSON, a
 * template that is not JSON once it is filled. The detail may name a placeholder, and holds nothing else of the template.
 */
export function compileBody(text: string, contentType: string): BodyTemplate | Malformed {
  // Alternately: a part outside the placeholders, and the text inside one.
  const parts = text.split(PLACEHOLDER);
  const form = formOf(contentType);
  const literals: Uint8Array[] = [];
  const insertions: Insertion[] = [];
  const sample: string[] = [];
  let isInString = false;
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0) {
      if (part.includes('{{')) return malformed('body_template has {{ without its }}');
      literals.push(Buffer.from(part));
      sample.push(part);
      isInString = endsInString(part, isInString);
      continue;
    }
    const insertion = insertionOf(part, form === 'json' && isInString ? 'jsonString' : form);
    if ('kind' in insertion) return insertion;
    insertions.push(insertion);
    // The sample is as long as the placeholder, so that the offset of an error is the same in the template.
    const length = Buffer.byteLength(insertion.written);
    sample.push(isInString ? 'x'.repeat(length) : '{}'.padEnd(length));
  }
  const offset = form === 'json' ? scanJson(Buffer.from(sample.join('')), NOTHING) : -1;
  if (offset >= 0) {
    return malformed(
      `body_template is not JSON once it is filled: it breaks at byte ${offset}. Fix it, or set its Content-Type in headers`,
    );
  }
  const looked = insertions.filter(isLookedUp);
  const paths = looked.length === 0 ? null : new JsonPaths(looked.map(({ path }) => path));
  return { kind: 'template', literals, insertions, paths };
}

/** True if a JSON string is still open after `text`. */
function endsInString(text: string, isInString: boolean): boolean {
  let inside = isInString;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') inside = !inside;
    else if (text[at] === '\\' && inside) at++;
  }
  return inside;
}

function insertionOf(inner: string, form: BodyForm): Insertion | Malformed {
  const written = `{{${inner}}}`;
  const [name, ...path] = inner.trim().split('.');
  const root = ROOTS.find((each) => each === name);
  if (root === undefined || path.includes('') || (path.length > 0 && root !== 'data')) {
    return malformed(
      `body_template has ${quoted(written)}: it may hold {{data}}, {{data.path}}, {{id}}, {{subject}} and {{event_type}}`,
    );
  }
  return { written, root, path, form };
}

/** `{{data}}`, the whole payload, is not parsed unless the body is JSON: then the payload may be anything. */
function isLookedUp({ root, path, form }: Insertion): boolean {
  return root === 'data' && (path.length > 0 || form === 'json' || form === 'jsonString');
}

/** Fills the template with values of the payload and the message. The detail names the placeholder, never its value. */
export function fillBody(template: BodyTemplate, input: TemplateInput): Uint8Array | Malformed {
  const { literals, insertions, paths } = template;
  const values = paths === null ? [] : paths.valuesIn(input.data);
  if (values === null) {
    const { written } = insertions.find(isLookedUp)!;
    return malformed(`body_template: ${written} cannot be filled, since the payload is not JSON`);
  }
  const pieces: Uint8Array[] = [literals[0]!];
  let looked = 0;
  for (const [index, insertion] of insertions.entries()) {
    const value = isLookedUp(insertion) ? values[looked++] : undefined;
    const piece = write(insertion, value, input);
    if ('kind' in piece) return piece;
    pieces.push(piece, literals[index + 1]!);
  }
  return Buffer.concat(pieces);
}

function write(
  insertion: Insertion,
  value: Uint8Array | undefined,
  input: TemplateInput,
): Uint8Array | Malformed {
  const { written, root, form } = insertion;
  if (root === 'data') {
    if (!isLookedUp(insertion))
      return form === 'text' ? input.data : writeText(Buffer.from(input.data).toString(), form);
    const piece = value === undefined ? null : writeJson(value, form);
    return piece ?? malformed(`body_template: ${written} ${whyNoText(value)} in the payload`);
  }
  const text = textOf(root, input);
  if (text !== null) return writeText(text, form);
  return malformed(
    `body_template: ${written} is not known: the payload has no event, event_type or type, and the message no header ${Header.eventType}`,
  );
}

function textOf(root: Exclude<Root, 'data'>, { id, data, message }: TemplateInput): string | null {
  switch (root) {
    case 'id':
      return id;
    case 'subject':
      return message.subject;
    case 'event_type':
      return eventTypesOf(data, message.header(Header.eventType))[0] ?? null;
  }
}
