import { createHash } from 'node:crypto';

/** The server allows 255 characters, but the server also makes longer file names of the consumer's name. */
const LONGEST_NAME = 200;

/** Makes a consumer name of any text. A consumer name must be a valid token of a subject and a valid folder name. */
export function consumerName(text: string): string {
  if (text.length <= LONGEST_NAME && /^[\w-]+$/.test(text)) return text;
  const plain = text.replace(/[^\w-]/g, '_').slice(0, LONGEST_NAME - 17);
  return `${plain}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}
