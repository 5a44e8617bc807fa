import { setTimeout as wait } from 'node:timers/promises';
import { type Command, parseFlags } from '../runtime/command.ts';
import { outputClosed } from '../runtime/output.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { commandSettings } from './connect/tool-settings.ts';
import { statsJson } from './stats/json.ts';
import { openStatsSources } from './stats/sources.ts';
import { statsView } from './stats/view.ts';

const REDRAW_MS = 2000;
/** Moves the cursor to the top left corner, and clears the screen. */
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

export const command: Command = {
  summary: 'prints what each worker has delivered, how many messages wait, and which endpoints are unhealthy',
  help: `
Usage: stats [--watch] [--json]

  --watch   print the statistics again every two seconds, until Ctrl-C
  --json    print JSON in one line, for programs: the workers, the counts and the endpoints. null means unknown;
            "problems" gives the reason

One row per worker, from rule_nats_consumer_stats; each worker writes its row every STATS_INTERVAL_MS. Below the rows,
from NATS: how many messages wait for QUEUE_GROUP on STREAM_NAME, in PARKED_STREAM_NAME and in ORDERED_STREAM_NAME, and
what the configurations of the streams and of the consumer mean for deliveries; and from nats_outbox_backlog, how much
waits in the outbox. Then the unhealthy endpoints, from
nats_endpoint_health, at most 20. Exit code 1 if PostgreSQL cannot be read. Servers: NATS_URL and DATABASE_URL; if they
are not set, the servers of a running \`npm start\` of this clone.

  stats --watch
  stats --json | jq .parked
`,
  async run(args) {
    const { values } = parseFlags({
      args,
      options: {
        watch: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        // Older scripts may pass --once. It has no effect: the command prints once by default.
        once: { type: 'boolean', default: false },
      },
    });
    const sources = await openStatsSources(commandSettings());
    const view = values.json ? statsJson : statsView;
    try {
      if (values.watch) {
        await printAgain(async () => view(await sources.read(), new Date()), values.json);
        return 0;
      }
      const snapshot = await sources.read();
      process.stdout.write(view(snapshot, new Date()));
      return typeof snapshot.rows === 'string' ? 1 : 0;
    } finally {
      await sources.close();
    }
  },
};

/** Prints the view again and again. On a terminal, each view replaces the one before. */
async function printAgain(view: () => Promise<string>, isJson: boolean): Promise<void> {
  const stopping = new AbortController();
  void Promise.race([waitForStopSignal({ warn: () => {} }), outputClosed()]).then(() => stopping.abort());
  const [before, after] =
    isJson || !process.stdout.isTTY
      ? ['', isJson ? '' : '\n']
      : [CLEAR_SCREEN, `\nPrinted every ${REDRAW_MS / 1000} s. Ctrl-C ends the command.\n`];
  while (!stopping.signal.aborted) {
    const drawn = await view();
    if (stopping.signal.aborted) return;
    process.stdout.write(`${before}${drawn}${after}`);
    await wait(REDRAW_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
}
