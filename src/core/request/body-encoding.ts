import { scalarText } from '../json/fields.ts';
import { encoded } from './params.ts';

/**
 * How a value is written where its placeholder stands: as JSON; inside a JSON string; as plain text; or as a part of a form.
 */
export type BodyForm = 'json' | 'jsonString' | 'text' | 'form';

/** What a Content-Type makes of a body; within JSON it depends on the place. */
export function formOf(contentType: string): Exclude<BodyForm, 'jsonString'> {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (/[/+]json$/.test(type)) return 'json';
  return type === 'application/x-www-form-urlencoded' ? 'form' : 'text';
}

/** A text of ours, such as an id. */
export function writeText(text: string, form: BodyForm): Uint8Array {
  switch (form) {
    case 'json':
      return Buffer.from(JSON.stringify(text));
    case 'jsonString':
      return Buffer.from(JSON.stringify(text).slice(1, -1));
    case 'text':
      return Buffer.from(text);
    case 'form':
      return Buffer.from(encoded(text).replaceAll('%20', '+'));
  }
}

/**
 * A value of the payload, without a byte changed where that can be.
 *
 * @param json Valid JSON, without white space around it.
 * @returns null where it has no text for that place: a null that is not to be JSON.
 */
export function writeJson(json: Uint8Array, form: BodyForm): Uint8Array | null {
  if (form === 'json') return json;
  const first = json[0];
  if (first === 0x6e) return null;
  // What is escaped between its quotes is so in any other string.
  if (form === 'jsonString' && first === 0x22) return json.subarray(1, -1);
  return writeText(scalarText(json) ?? Buffer.from(json).toString(), form);
}
