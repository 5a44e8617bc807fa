import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const folder = new URL('../../sql/migrations/', import.meta.url);

it.each(readdirSync(folder))('%s is plain ASCII, so that a database of any encoding accepts it', (name) => {
  expect(readFileSync(new URL(name, folder), 'latin1')).not.toMatch(/[^\x00-\x7f]/);
});
