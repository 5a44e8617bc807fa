import { partsOfApiKey } from '../../core/access/api-key.ts';
import type { ListedKey } from '../../postgres/tables/api-keys-table.ts';

/**
 * The key that a person means: by its id, also as `whk_<id>`, by the whole key, or by its name.
 *
 * @returns A sentence, if there is no such key, or several.
 */
export function keyChosen(keys: readonly ListedKey[], text: string): ListedKey | string {
  const id = partsOfApiKey(text)?.id ?? text.replace(/^whk_/, '');
  const byId = keys.find((key) => key.id === id);
  if (byId !== undefined) return byId;
  const named = keys.filter(({ name }) => name === text);
  const active = named.filter(({ revokedAt }) => revokedAt === null);
  const [only, ...others] = active.length === 0 ? named : active;
  // The text may be a key of another installation: it is not repeated.
  if (only === undefined) return 'No API key has this id or name. The command keys list shows all keys.';
  if (others.length === 0) return only;
  const ids = [only, ...others].map((key) => key.id).join(', ');
  return `${1 + others.length} API keys have this name. Name one of them by its id: ${ids}.`;
}
