import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readEvents } from '../../src/commands/load/events.ts';
import { readLoadFlags } from '../../src/commands/load/flags.ts';
import { temporaryFolder } from '../support/clean-up.ts';

describe('the flags of load', () => {
  test('without a plan, it sends 100 messages per second for 10 s', async () => {
    expect((await readLoadFlags(['--receiver'])).plan).toMatchObject({
      perSecond: 100,
      durationMs: 10_000,
      count: null,
      burst: [1, 1],
      size: [300, 300],
    });
  });

  test('with a count alone, the count ends the run', async () => {
    expect((await readLoadFlags(['--receiver', '--count', '5'])).plan).toMatchObject({
      count: 5,
      durationMs: null,
    });
  });

  test('a sample goes to its name, once in 30 s, until Ctrl-C', async () => {
    expect(await readLoadFlags(['sample', 'payments'])).toMatchObject({
      sample: 'payments',
      name: 'payments',
      receiver: null,
      plan: { perSecond: 1 / 30, durationMs: null },
    });
  });

  test('the sample invoices goes through the outbox, and nothing is rolled back unless a flag says so', async () => {
    expect(await readLoadFlags(['sample', 'invoices'])).toMatchObject({
      via: 'outbox',
      name: 'invoices',
      rollback: 0,
    });
    expect(await readLoadFlags(['--receiver', '--via', 'outbox', '--rollback', '.3'])).toMatchObject({
      rollback: 0.3,
    });
  });

  test('by HTTP, the API is the one of this machine, and open, unless flags say otherwise', async () => {
    expect((await readLoadFlags(['--receiver', '--via', 'http'])).via).toEqual({
      api: 'http://127.0.0.1:8080',
      apiKey: null,
    });
  });

  test.each<[string[], RegExp]>([
    [['sample'], /^load sample: "" is no sample; the samples are payments, credits, invoices$/],
    [['sample', 'nothing'], /^load sample: "nothing" is no sample/],
    [['sample', 'credits', '--size', '300'], /^--size: a sample makes its own payloads/],
    [['--receiver', '--via', 'smoke'], /^--via: "smoke" is not nats, http or outbox/],
    [['sample', 'invoices', '--via', 'nats'], /^--via: the sample invoices needs the outbox/],
    [['--receiver', '--rollback', '0.3'], /^--rollback needs --via outbox/],
    [['--receiver', '--via', 'outbox', '--rollback', '30%'], /^--rollback: "30%" is not a share from 0 to 1/],
    [['--receiver', '--via', 'outbox', '--rollback', '1.1'], /^--rollback: "1.1" is not a share/],
    [['--receiver', '--via', 'outbox', '--api-key', 'x'], /^--api-key needs --via http/],
    [['--receiver', '--api', 'http://127.0.0.1:1'], /^--api needs --via http/],
    [['--receiver', '--via', 'http', '--api', 'ftp://x'], /^--api: "ftp:\/\/x" is not an http URL/],
    [[], /^Give one of --receiver .*, --url .* and --name/],
    [['--receiver', '--url', 'http://127.0.0.1:9'], /^Give one of --receiver/],
    [['--url', 'http://127.0.0.1:9', '--verify'], /^--verify needs --receiver/],
    [['--url', 'here'], /^--url: "here" is not a URL/],
    [['--name', 'orders', '--port', '9000'], /^--port needs --receiver/],
    [['--receiver', '--rate', 'fast'], /^--rate: "fast" is not a rate/],
    [['--receiver', '--burst', '0'], /^--burst: "0" is not a whole number from 1/],
    [['--receiver', '--size', '63'], /^--size: "63" is not a whole number from 64/],
    [['--receiver', '--count', '1000001'], /^--count: "1000001" is not a whole number from 1 to 1000000/],
    [
      ['--receiver', '--rate', '100000', '--duration', '11s'],
      /^--duration: at this --rate .* more than 1000000/,
    ],
    [['--receiver', '--seed', '-1'], /--seed/],
    [['--receiver', '--wait', '0'], /^--wait: "0"/],
    [['--receiver', '--receiver-url', 'here'], /^--receiver-url: "here" is not a URL/],
    [['--receiver', '--file', '/nowhere'], /^--file: .*\/nowhere/],
    [['--receiver', '--file', '-', '--size', '300'], /^--size is the size of payloads that `load` makes/],
    [['--name', 'a.b c', '--nonsense'], /^There is no flag --nonsense/],
  ])('%j is an error', async (args, sentence) => {
    await expect(readLoadFlags(args)).rejects.toMatchObject({
      message: expect.stringMatching(sentence),
      exitCode: 2,
    });
  });
});

describe('the events of --file', () => {
  async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
    const folder = await temporaryFolder();
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(folder, name, '..'), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    return folder;
  }
  const textsOf = async (path: string) => (await readEvents(path)).map(({ bytes }) => bytes.toString());

  test('are the .json files of a folder in the order of their names, byte for byte', async () => {
    const folder = await folderOf({
      '02.json': '{"n": 2}\n',
      '01.json': '{"n":1.0,"big":12345678901234567890}',
      'run.sh': 'echo not an event',
    });
    expect(await textsOf(folder)).toEqual(['{"n":1.0,"big":12345678901234567890}', '{"n": 2}\n']);
  });

  test('are the lines of a file', async () => {
    const folder = await folderOf({ 'events.ndjson': '{"n":1}\n\n{"n":2}\r\n' });
    expect(await textsOf(join(folder, 'events.ndjson'))).toEqual(['{"n":1}', '{"n":2}']);
  });

  test('are one event in one .json file, which may have many lines', async () => {
    const folder = await folderOf({ 'event.json': '{\n  "n": 1\n}\n' });
    expect(await textsOf(join(folder, 'event.json'))).toEqual(['{\n  "n": 1\n}\n']);
  });

  test.each<[Record<string, string>, string, RegExp]>([
    [{ 'events.ndjson': '{"n":1}\nnot JSON\n' }, 'events.ndjson', /events\.ndjson line 2 is not valid JSON/],
    [{ '01.json': '{"n":' }, '', /01\.json is not valid JSON: it ends too soon/],
    [{ 'notes.txt': 'x' }, '', /has no event/],
    [{ 'events.ndjson': '\n' }, 'events.ndjson', /has no event/],
  ])('%j: an error names the file', async (files, path, sentence) => {
    const folder = await folderOf(files);
    await expect(readEvents(join(folder, path))).rejects.toMatchObject({
      message: expect.stringMatching(sentence),
      exitCode: 2,
    });
  });
});
