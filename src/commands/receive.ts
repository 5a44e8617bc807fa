import { type ReceiverOptions, startReceiver } from '../receiver/receiver.ts';
import { requestLine } from '../receiver/request-line.ts';
import type { ReceivedTotals } from '../receiver/seen-ids.ts';
import { type Command, durationFlag, parseFlags, wholeNumberFlag } from '../runtime/command.ts';
import { every } from '../runtime/every.ts';
import { outputClosed } from '../runtime/output.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';

const COUNT_EVERY_MS = 1000;

export const command: Command = {
  summary: 'runs an endpoint that prints each request, to try deliveries',
  help: `
Usage: receive [flags]

  --port N          port to listen on; 0: any free port (default 9000)
  --host ADDRESS    address to listen on (default 127.0.0.1; 0.0.0.0: all IPv4 addresses)
  --status N        answer with this HTTP status, 200 to 599 (default 200)
  --delay-ms N      wait before each answer, in milliseconds or as 2s, up to 10m (default 0)
  --fail-first N    answer the first N attempts of each webhook-id with 500 (or --status), and later attempts with 200
  --body N          how many bytes of each body are shown, up to 65536; 0: only the size of the body (default 120)
  --quiet           print one line per second with the counts, instead of one line per request

Ctrl-C ends the command and prints totals: requests, distinct webhook-ids, and webhooks that arrived twice (doubled).
A worker reaches this endpoint only if 127.0.0.0/8 is in its ALLOWED_PRIVATE_CIDRS. The worker of \`npm start\` needs no
such setting.

  receive --port 9001 --fail-first 2      each webhook succeeds at its third attempt
  receive --port 9002 --delay-ms 60s      an endpoint that hangs
`,
  async run(args) {
    const { receiver: options, bodyBytes, quiet } = readFlags(args);
    const print = (line: string) => process.stdout.write(`${line}\n`);
    const receiver = await startReceiver(options, (request) => {
      if (!quiet) print(requestLine(request, bodyBytes));
    });
    print(`listening on ${receiver.url}; Ctrl-C ends the command`);
    const stopCounting = quiet ? printCounts(receiver.received, print) : () => {};
    await Promise.race([waitForStopSignal({ warn: ({ hint }) => print(hint) }), outputClosed()]);
    stopCounting();
    await receiver.close();
    print(totalsLine(receiver.received()));
    return 0;
  },
};

function readFlags(args: string[]): { receiver: ReceiverOptions; bodyBytes: number; quiet: boolean } {
  const { values } = parseFlags({
    args,
    options: {
      port: { type: 'string', default: '9000' },
      host: { type: 'string', default: '127.0.0.1' },
      status: { type: 'string' },
      'delay-ms': { type: 'string', default: '0' },
      'fail-first': { type: 'string', default: '0' },
      body: { type: 'string', default: '120' },
      quiet: { type: 'boolean', default: false },
    },
  });
  const bodyBytes = wholeNumberFlag('body', values.body, 0, 65_536);
  return {
    bodyBytes,
    quiet: values.quiet,
    receiver: {
      port: wholeNumberFlag('port', values.port, 0, 65_535),
      host: values.host,
      delayMs: durationFlag('delay-ms', values['delay-ms'], { min: 0, max: 600_000 }),
      failFirst: wholeNumberFlag('fail-first', values['fail-first'], 0, 1_000_000),
      keepBodyBytes: bodyBytes,
      ...(values.status !== undefined && { status: wholeNumberFlag('status', values.status, 200, 599) }),
    },
  };
}

function printCounts(received: () => ReceivedTotals, print: (line: string) => void): () => void {
  let before = received();
  return every(COUNT_EVERY_MS, () => {
    const now = received();
    if (now.requests > before.requests) print(`+${now.requests - before.requests}  ${totalsLine(now)}`);
    before = now;
  });
}

function totalsLine({ requests, webhookIds, retries, doubled, withoutId }: ReceivedTotals): string {
  const parts = [`${requests} requests`, `${webhookIds} distinct webhook-ids`, `${doubled} doubled`];
  if (retries > 0) parts.push(`${retries} retries`);
  if (withoutId > 0) parts.push(`${withoutId} without a webhook-id`);
  return parts.join(', ');
}
