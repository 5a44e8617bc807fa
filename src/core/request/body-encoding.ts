import { scalarText } from '../json/fields.ts';
import { encoded } from './params.ts';

/**
 * How a value is written in place of its placeholder: as JSON, inside a JSON string, as plain text, or as a part of a form.
 */
export type BodyForm = 'json' | 'jsonString' | 'text' | 'form';

/** The form of a body, by its Content-Type. In a JSON body, `jsonString` depends on the position of the placeholder. */
export function formOf(contentType: string): Exclude<BodyForm, 'jsonString'> {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (/[/+]json$/.test(type)) return 'json';
  return type === 'application/x-www-form-urlencoded' ? 'form' : 'text';
}

/** Writes a text that is not part of the payload, such as an id. */
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
 * Writes a value of the payload, byte for byte if possible.
 *
 * @param json Valid JSON, without white space around it.
 * @returns null if the value cannot be written in this form: a JSON null in a form other than JSON.
 */
export function writeJson(json: Uint8Array, form: BodyForm): Uint8Array | null {
  if (form === 'json') return json;
  const first = json[0];
  if (first === 0x6e) return null;
  // The escapes between the quotes are valid in any other JSON string, too.
  if (form === 'jsonString' && first === 0x22) return json.subarray(1, -1);
  return writeText(scalarText(json) ?? Buffer.from(json).toString(), form);
}
