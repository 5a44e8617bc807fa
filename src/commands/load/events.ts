import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonProblem } from '../../publishing/compose-message.ts';
import { linesOf } from '../../publishing/lines.ts';
import { errorMessage, UserError } from '../../runtime/failure.ts';

/** One payload, byte for byte. `name`: its file, with the line of NDJSON. */
export type LoadEvent = { readonly name: string; readonly bytes: Buffer };

/** All events stay in memory. */
const MOST_BYTES = 256_000_000;

/**
 * Reads events: a folder of `.json` files, each of them one event, in the order of their names; one `.json` file; or a file with
 * one event per line (NDJSON), `-` for standard input.
 *
 * @throws {UserError} that names the file and the line that is not JSON.
 */
export async function readEvents(path: string): Promise<readonly LoadEvent[]> {
  const events: LoadEvent[] = [];
  let total = 0;
  for await (const event of eventsOf(path)) {
    const problem = jsonProblem(event.bytes);
    if (problem !== null) throw wrong(`${event.name} is ${problem}`);
    total += event.bytes.length;
    if (total > MOST_BYTES) throw wrong(`${path} has more than ${MOST_BYTES} bytes of events`);
    events.push(event);
  }
  if (events.length === 0) throw wrong(`${path} has no event`);
  return events;
}

async function* eventsOf(path: string): AsyncGenerator<LoadEvent> {
  if (path === '-') return yield* fromLines('line', process.stdin);
  try {
    if ((await stat(path)).isDirectory()) {
      const names = (await readdir(path)).filter((name) => name.endsWith('.json')).sort();
      for (const name of names) yield { name: join(path, name), bytes: await readFile(join(path, name)) };
    } else if (path.endsWith('.json')) yield { name: path, bytes: await readFile(path) };
    else {
      const handle = await open(path);
      yield* fromLines(`${path} line`, createReadStream('', { fd: handle }));
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw wrong(errorMessage(error));
  }
}

async function* fromLines(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<LoadEvent> {
  for await (const { number, bytes } of linesOf(chunks)) yield { name: `${name} ${number}`, bytes };
}

function wrong(problem: string): UserError {
  return new UserError(`--file: ${problem}`, { exitCode: 2 });
}
