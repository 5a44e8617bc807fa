import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';
import type { AcceptedMessage, EndpointRequest, GivenUpMessage, RefusedMessage } from './evidence.ts';

const JUDGE = fileURLToPath(new URL('judge.mjs', import.meta.url));
const HERE = 'http://here/';
const ROLLED_BACK: RefusedMessage = { id: 'm1', endpoint: HERE };
const NOTHING_WRONG = {
  undeserved: 0,
  otherAttempts: 0,
  lost: 0,
  doubled: 0,
  misrouted: 0,
  outOfOrder: 0,
  early: 0,
  unwanted: 0,
};

type Files = {
  readonly accepted: readonly AcceptedMessage[];
  readonly requests?: readonly EndpointRequest[];
  readonly deadLetters?: readonly GivenUpMessage[];
  readonly refused?: readonly RefusedMessage[];
};

/** A confirmed message that was published at 1000. */
function message(id: string, other: Partial<AcceptedMessage> = {}): AcceptedMessage {
  const sequence = Number(id.replace(/\D/g, ''));
  const subject = 'webhooks.load';
  const place = { subject, stream: 'WEBHOOKS', sequence, publishedAt: 1000 };
  return { id, ...place, endpoints: [HERE], maxAttempts: 3, ...other };
}

/** A request that was answered 10 ms later. */
function request(id: string, at: number, answer: number | null = 200, endpoint = HERE): EndpointRequest {
  return { id, endpoint, at, answer, answeredAt: at + 10 };
}

function deadLetter(id: string, reason = 'exhausted', attempts = 3): GivenUpMessage {
  return { id, endpoint: HERE, reason, attempts };
}

async function judged({ accepted, requests = [], deadLetters = [], refused = [] }: Files) {
  const folder = await temporaryFolder();
  const files = { accepted, refused, requests, 'dead-letters': deadLetters };
  for (const [name, lines] of Object.entries(files))
    await writeFile(
      join(folder, `${name}.ndjson`),
      lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    );
  const run = await runCommand(process.execPath, [JUDGE, folder]);
  const { code } = await run.waitForExit();
  expect(run.stderr).toEqual([]);
  return { code, verdict: JSON.parse(run.stdout[0]!) };
}

const refused = (id: string, times: number, answer: number | null = 500) =>
  Array.from({ length: times }, (_, n) => request(id, 1010 + 100 * n, answer));
const ordered = (id: string) => message(id, { orderedBy: 'key' });

describe('the judge finds nothing wrong', () => {
  it.each<[what: string, files: Files, counts: object]>([
    [
      'if each message was answered with a 2xx, also after failures',
      {
        accepted: [message('m1'), message('m2')],
        requests: [request('m1', 1010), ...refused('m2', 2), request('m2', 1500, 204)],
      },
      { accepted: 2, delivered: 2, deadLetters: 0 },
    ],
    [
      'in a dead letter after all attempts, answered or not',
      {
        accepted: [message('m1'), message('m2')],
        requests: [...refused('m1', 3), ...refused('m2', 3, null)],
        deadLetters: [deadLetter('m1'), deadLetter('m2')],
      },
      { delivered: 0, deadLetters: 2 },
    ],
    [
      'in a dead letter after a 410',
      {
        accepted: [message('m1')],
        requests: [request('m1', 1010, 503), request('m1', 1200, 410)],
        deadLetters: [deadLetter('m1', 'gone', 2)],
      },
      { deadLetters: 1 },
    ],
    [
      'in a request that was answered twice: it is doubled',
      { accepted: [message('m1')], requests: [request('m1', 1010), request('m1', 1500)] },
      { delivered: 1, doubled: 1 },
    ],
    [
      'in a message that NATS did not confirm, whether it arrived or not',
      { accepted: [message('m1')], requests: [request('m1', 1010), request('m2', 1010)] },
      { accepted: 1, delivered: 1 },
    ],
    ['in a message that was rolled back and did not arrive', { accepted: [], refused: [ROLLED_BACK] }, {}],
    [
      'in messages of one key that came one after the other, each perhaps twice',
      {
        accepted: [ordered('m1'), ordered('m2'), ordered('m3')],
        requests: [
          request('m1', 1010),
          request('m1', 1050),
          ...[request('m2', 1070, 500), request('m2', 1090), request('m3', 1100)],
        ],
      },
      { delivered: 3, doubled: 1 },
    ],
    [
      'in a message that follows a dead letter of its key',
      {
        accepted: [ordered('m1'), ordered('m2')],
        requests: [...refused('m1', 3), request('m2', 1400)],
        deadLetters: [deadLetter('m1')],
      },
      { delivered: 1, deadLetters: 1 },
    ],
    [
      'in a scheduled message that came at its time',
      { accepted: [message('m1', { notBefore: 2000 })], requests: [request('m1', 2000)] },
      { delivered: 1 },
    ],
  ])('%s', async (_, files, counts) => {
    const { code, verdict } = await judged(files);
    expect(verdict).toMatchObject({ ...NOTHING_WRONG, ...counts });
    expect(code).toBe(0);
  });
});

describe('the judge finds', () => {
  const one = [message('m1')];
  it.each<[what: string, files: Files, wrong: object]>([
    ['a message that never arrived lost', { accepted: one }, { lost: 1 }],
    ['a message that was only refused lost', { accepted: one, requests: refused('m1', 3) }, { lost: 1 }],
    [
      'a message whose request broke before its answer lost',
      { accepted: one, requests: refused('m1', 1, null) },
      { lost: 1 },
    ],
    [
      'a message that reached only another endpoint lost, and misrouted',
      { accepted: one, requests: [request('m1', 1010, 200, 'http://there/')] },
      { lost: 1, misrouted: 1 },
    ],
    [
      'a message that reached one of its two endpoints lost',
      {
        accepted: [message('m1', { endpoints: [HERE, 'http://there/'] })],
        requests: [request('m1', 1010)],
      },
      { lost: 1 },
    ],
    [
      'a dead letter without a request undeserved',
      { accepted: one, deadLetters: [deadLetter('m1', 'forbidden', 1)] },
      { undeserved: 1 },
    ],
    [
      'a dead letter after fewer attempts undeserved',
      { accepted: one, requests: refused('m1', 2), deadLetters: [deadLetter('m1', 'exhausted', 2)] },
      { undeserved: 1, otherAttempts: 0 },
    ],
    [
      'a dead letter that says more attempts than there were undeserved',
      { accepted: one, requests: refused('m1', 2), deadLetters: [deadLetter('m1')] },
      { undeserved: 1, otherAttempts: 1 },
    ],
    [
      'a dead letter of a delivered message undeserved',
      {
        accepted: one,
        requests: [request('m1', 1001), ...refused('m1', 3)],
        deadLetters: [deadLetter('m1', 'exhausted', 4)],
      },
      { undeserved: 1 },
    ],
    [
      'a dead letter `gone` without a 410 undeserved',
      { accepted: one, requests: refused('m1', 3), deadLetters: [deadLetter('m1', 'gone')] },
      { undeserved: 1 },
    ],
    [
      'a dead letter of a message that NATS did not confirm undeserved, too',
      { accepted: [], deadLetters: [deadLetter('m1', 'malformed', 1)] },
      { undeserved: 1 },
    ],
    [
      'a later message of a key that came before the earlier one was answered',
      {
        accepted: [ordered('m1'), ordered('m2')],
        requests: [request('m1', 1010), request('m2', 1015)],
      },
      { outOfOrder: 1 },
    ],
    [
      'an earlier message that came again after the later one',
      {
        accepted: [ordered('m1'), ordered('m2')],
        requests: [request('m1', 1010), request('m2', 1030), request('m1', 1050)],
      },
      { outOfOrder: 1, doubled: 1 },
    ],
    [
      'a scheduled message that came too early',
      { accepted: [message('m1', { notBefore: 2000 })], requests: [request('m1', 1999)] },
      { early: 1 },
    ],
    [
      'a message that was rolled back and arrived all the same',
      { accepted: [], requests: refused('m1', 2), refused: [ROLLED_BACK] },
      { unwanted: 1 },
    ],
  ])('%s', async (_, files, wrong) => {
    const { code, verdict } = await judged(files);
    expect(verdict).toMatchObject({ ...NOTHING_WRONG, otherAttempts: expect.anything(), ...wrong });
    expect(code).toBe(1);
  });

  it('how long 99 of 100 messages took, without and with the misbehaving endpoint', async () => {
    const measured = (group: 'control' | 'beside', from: number) =>
      Array.from({ length: 100 }, (_, n) => message(`m${from + n}`, { measured: group }));
    // Message n takes n ms, of the first hundred, and twice that, of the second.
    const verdict = await judged({
      accepted: [...measured('control', 1), ...measured('beside', 101), message('m201')],
      requests: [
        ...Array.from({ length: 100 }, (_, n) => request(`m${n + 1}`, 990 + n + 1)),
        ...Array.from({ length: 100 }, (_, n) => request(`m${n + 101}`, 990 + 2 * (n + 1))),
        request('m201', 9000),
      ],
    });
    expect(verdict).toMatchObject({ code: 0, verdict: { p99Ms: { control: 99, beside: 198 } } });
  });
});

it('the judge has under 100 lines, and imports nothing of this project', () => {
  const source = readFileSync(JUDGE, 'utf8');
  expect(source.trimEnd().split('\n').length).toBeLessThan(100);
  const imported = [...source.matchAll(/\bfrom '(.+?)'|\bimport\('(.+?)'\)/g)].map(([, name]) => name);
  expect(imported).toEqual(['node:fs']);
});
