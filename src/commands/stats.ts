import { setTimeout as wait } from 'node:timers/promises';
import { type Command, parseFlags } from '../runtime/command.ts';
import { outputClosed } from '../runtime/output.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { commandSettings } from './connect/tool-settings.ts';
import { statsJson } from './stats/json.ts';
import { openStatsSources } from './stats/sources.ts';
import { statsView } from './stats/view.ts';

const REDRAW_MS = 2000;
/** To the top left corner, and clear what is below. */
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

export const command: Command = {
  summary: 'what each worker has delivered, what waits, and which endpoints are in trouble',
  help: `
Usage: stats [--watch] [--json]

  --watch   print it again every two seconds, until Ctrl-C
  --json    print JSON in one line, for programs: the workers, the counts and the endpoints; null is not known, and
            "problems" says why

One row per worker, from rule_nats_consumer_stats: workers write theirs every STATS_INTERVAL_MS. Below it, from NATS: what
waits for QUEUE_GROUP on STREAM_NAME, in PARKED_STREAM_NAME and in ORDERED_STREAM_NAME; and the endpoints in trouble, from
nats_endpoint_health, at most 20. Exit code 1 when PostgreSQL cannot be read. Servers: NATS_URL and DATABASE_URL,
else those of the \`npm start\` of this clone, where it runs.

  stats --watch
  stats --json | jq .parked
`,
  async run(args) {
    const { values } = parseFlags({
      args,
      options: {
        watch: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        // What it does without a flag now: scripts may have it still.
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

/** On a terminal, a view takes the place of the one before. */
async function printAgain(view: () => Promise<string>, isJson: boolean): Promise<void> {
  const stopping = new AbortController();
  void Promise.race([waitForStopSignal({ warn: () => {} }), outputClosed()]).then(() => stopping.abort());
  const [before, after] =
    isJson || !process.stdout.isTTY
      ? ['', isJson ? '' : '\n']
      : [CLEAR_SCREEN, `\nEvery ${REDRAW_MS / 1000} s; Ctrl-C ends it.\n`];
  while (!stopping.signal.aborted) {
    const drawn = await view();
    if (stopping.signal.aborted) return;
    process.stdout.write(`${before}${drawn}${after}`);
    await wait(REDRAW_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
}
