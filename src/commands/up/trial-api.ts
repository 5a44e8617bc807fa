import { randomBytes } from 'node:crypto';
import type { Settings } from '../../config/settings.ts';
import { composeApiKey, RANDOM_BYTES } from '../../core/access/api-key.ts';
import { parseConfiguredKey } from '../../core/access/configured-key.ts';
import { PAYMENTS_SOURCE } from '../../core/source/payments.ts';
import { freePort } from '../../embedded/process/ports.ts';
import { inTransaction } from '../../postgres/connection/transaction.ts';
import { readSources, writeSource } from '../../postgres/tables/sources-table.ts';
import { putTrialWebhook } from '../../postgres/tables/webhooks-table.ts';
import { withDatabase } from '../connect/open-database.ts';

/** The name that the printed curl line posts to. */
const NAME = 'payments';
/** Marks the row of the receiver, which follows it to another port. */
const TRIAL = 'made by npm start for its receiver';

/**
 * Makes the row and the source that the printed curl line posts to. A row of somebody else stays as it is, and gets no source: his
 * webhooks need not be payments of this form. A source that is there stays as it is, too.
 */
export async function putTrialEndpoint(databaseUrl: string, receiverUrl: string): Promise<void> {
  const webhook = { name: NAME, url: `${receiverUrl}/${NAME}`, description: TRIAL };
  await withDatabase(databaseUrl, async (pool) => {
    if (!(await putTrialWebhook(pool, webhook))) return;
    await inTransaction(pool, async (client) => {
      const { rows = [] } = await readSources(client, null);
      if (rows.some(({ name }) => name === NAME)) return;
      await writeSource(client, NAME, { fields: PAYMENTS_SOURCE, newSecrets: [], dropSecrets: 'none' });
    });
  });
}

/**
 * The settings of the API of a trial: open, unless API_AUTH says otherwise, and on free ports.
 *
 * @returns With API_AUTH=keys also a key that is valid for this run, so that the printed curl line works as it stands; else null.
 */
export async function trialApiSettings(
  settings: Settings,
): Promise<{ readonly settings: Settings; readonly key: string | null }> {
  const auth = settings.isSet('API_AUTH') ? settings.API_AUTH : 'open';
  const key = auth === 'open' ? null : composeApiKey(randomBytes(RANDOM_BYTES));
  const configured = key === null ? [] : [parseConfiguredKey(key)].filter((each) => typeof each !== 'string');
  const PORT = await freePort(settings.PORT);
  const { ADMIN_PORT: wanted } = settings;
  const ADMIN_PORT = wanted === 0 ? 0 : await freePort(wanted === PORT ? 0 : wanted);
  return {
    settings: {
      ...settings,
      API_AUTH: auth,
      API_KEYS: [...settings.API_KEYS, ...configured],
      PORT,
      ADMIN_PORT,
    },
    key,
  };
}
