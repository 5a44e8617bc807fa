import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const SOURCE = new URL('../../src/', import.meta.url);

/**
 * The files that read the time of day, and why. Whoever sets the clock of the machine changes what they do, so everything that only
 * measures how long something takes uses a clock that never jumps: `Clock`, or `performance.now()`.
 */
const TIME_OF_DAY = {
  'api/assemble/access.ts': 'the expiry of a key',
  'api/run-api.ts': 'when a webhook came, and since when a part has a problem',
  'commands/keys.ts': 'the expiry of a key, and the time that it shows',
  'commands/load/messages.ts': 'the times in events of samples',
  'commands/publish.ts': 'whether the times in headers of the user are past',
  'commands/stats.ts': 'the time that it shows',
  'commands/up/first-delivery.ts': 'an id',
  'embedded/postgres/folder.ts': 'the name of a folder',
  'http/exchange.ts': 'a date in Retry-After, of an answer without a Date header',
  'http/sender.ts': 'webhook-timestamp, and the time of the attempt in its row',
  'receiver/receiver.ts': 'the time that it shows',
  'worker/assemble/admission.ts': 'when a scheduled queue is opened; the times that people read',
  'worker/assemble/steps.ts': 'Webhook-Deliver-At, Webhook-Expires-At, MAX_AGE_HOURS',
  'worker/assemble/worker.ts': 'until when NATS keeps a copy back',
  'worker/connections/database.ts': 'how old stored rows are',
  'worker/worker-services.ts': 'for how many hours an endpoint has failed, also over restarts',
};

it('only these files read the time of day, which jumps when the clock is set', async () => {
  const names = (await readdir(SOURCE, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const found: string[] = [];
  for (const name of names) {
    const text = await readFile(new URL(name, SOURCE), 'utf8');
    if (/\bDate\.now\b|new Date\(\)/.test(text)) found.push(name);
  }
  expect(found.sort()).toEqual(Object.keys(TIME_OF_DAY).sort());
});
