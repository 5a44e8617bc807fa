import { setTimeout as wait } from 'node:timers/promises';
import { type Command, parseFlags } from '../runtime/command.ts';
import { stopSignal } from '../runtime/stopping.ts';
import { toolSettings } from './connect/tool-settings.ts';
import { openStatsSources } from './stats/sources.ts';
import { statsView } from './stats/view.ts';

const REDRAW_MS = 2000;
/** To the top left corner, and clear what is below. */
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

export const command: Command = {
  summary: 'what each worker has delivered, what waits, and which endpoints are in trouble',
  help: `
Usage: stats [--once]

  --once    print it once; on a terminal it is drawn again every two seconds otherwise, until Ctrl-C

A row a worker, from rule_nats_consumer_stats: workers write theirs every STATS_INTERVAL_MS. Below it, from NATS: what
waits for QUEUE_GROUP on STREAM_NAME, in PARKED_STREAM_NAME and in ORDERED_STREAM_NAME; and the endpoints in trouble, from
nats_endpoint_health, at most 20. Exit code 1 when PostgreSQL cannot be read. Servers: NATS_URL and DATABASE_URL,
else those of the \`npm start\` of this clone, where it runs.
`,
  async run(args) {
    const { values } = parseFlags({ args, options: { once: { type: 'boolean', default: false } } });
    const sources = await openStatsSources(toolSettings());
    try {
      if (!values.once && process.stdout.isTTY) {
        await redraw(async () => statsView(await sources.read(), new Date()));
        return 0;
      }
      const snapshot = await sources.read();
      process.stdout.write(statsView(snapshot, new Date()));
      return typeof snapshot.rows === 'string' ? 1 : 0;
    } finally {
      await sources.close();
    }
  },
};

async function redraw(view: () => Promise<string>): Promise<void> {
  const stopping = new AbortController();
  void stopSignal({ warn: () => {} }).then(() => stopping.abort());
  while (!stopping.signal.aborted) {
    const drawn = await view();
    if (stopping.signal.aborted) return;
    process.stdout.write(`${CLEAR_SCREEN}${drawn}\nEvery ${REDRAW_MS / 1000} s; Ctrl-C ends it.\n`);
    await wait(REDRAW_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
}
