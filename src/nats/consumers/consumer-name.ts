import { createHash } from 'node:crypto';

/** The server's own limit is 255, and a file's name has more around it. */
const LONGEST_NAME = 200;

/** Any text as a consumer's name: that one is a token of subjects, and the name of a folder. */
export function consumerName(text: string): string {
  if (text.length <= LONGEST_NAME && /^[\w-]+$/.test(text)) return text;
  const plain = text.replace(/[^\w-]/g, '_').slice(0, LONGEST_NAME - 17);
  return `${plain}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}
