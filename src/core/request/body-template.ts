import { JsonPaths, whyNoText } from '../json/paths.ts';
import { scanJson } from '../json/scan.ts';
import { Header } from '../message/nats-headers.ts';
import { type BodyForm, formOf, writeJson, writeText } from './body-encoding.ts';
import { eventTypesOf } from './event-type.ts';
import { quoted } from './headers.ts';
import { type Malformed, malformed } from './malformed.ts';

/** What a row's `body_template` is filled from. */
export type TemplateInput = {
  /** Of the delivery. */
  readonly id: string;
  /** The payload. */
  readonly data: Uint8Array;
  readonly message: { readonly subject: string; header(name: string): string | undefined };
};

type Root = 'data' | 'id' | 'subject' | 'event_type';

type Insertion = {
  /** As it is written, for a person: `{{data.user.id}}`. */
  readonly written: string;
  readonly root: Root;
  /** Below `data`. */
  readonly path: readonly string[];
  readonly form: BodyForm;
};

/** A `body_template`, checked. */
export type BodyTemplate = {
  readonly kind: 'template';
  /** What stands around the insertions: one more than they are. */
  readonly literals: readonly Uint8Array[];
  readonly insertions: readonly Insertion[];
  /** Where to find those of `data`, in their order; null where nothing is looked up in it. */
  readonly paths: JsonPaths | null;
};

const PLACEHOLDER = /\{\{([^{}]*)\}\}/;
const ROOTS: readonly Root[] = ['data', 'id', 'subject', 'event_type'];
const NOTHING = { key: () => {}, value: () => {} };

/**
 * Compiles a `body_template`. Malformed: a placeholder that nothing stands for, braces that are not closed, and, where the
 * Content-Type is JSON, what would be none once it is filled. The detail holds nothing of the template but a placeholder.
 */
export function compileBody(text: string, contentType: string): BodyTemplate | Malformed {
  // What stands around the placeholders, and between those what stands in them.
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
    // As long as the placeholder, so that the place of what is wrong is that in the template, too.
    const length = Buffer.byteLength(insertion.written);
    sample.push(isInString ? 'x'.repeat(length) : '{}'.padEnd(length));
  }
  const offset = form === 'json' ? scanJson(Buffer.from(sample.join('')), NOTHING) : -1;
  if (offset >= 0) {
    return malformed(
      `body_template is not JSON once it is filled: it breaks at byte ${offset}. Cure it, or name its Content-Type in headers`,
    );
  }
  const looked = insertions.filter(isLookedUp);
  const paths = looked.length === 0 ? null : new JsonPaths(looked.map(({ path }) => path));
  return { kind: 'template', literals, insertions, paths };
}

/** Whether a JSON string is open behind `text`. */
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

/** The whole payload is no JSON that is looked into where the body is none. */
function isLookedUp({ root, path, form }: Insertion): boolean {
  return root === 'data' && (path.length > 0 || form === 'json' || form === 'jsonString');
}

/** The body, of the template's own bytes and those of the payload. The detail names the placeholder, never its value. */
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
