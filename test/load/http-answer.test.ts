import { expect, test } from 'vitest';
import { type ApiAnswer, judgeAnswer } from '../../src/load/http-answer.ts';

const stored = (members: object) => ({
  status: 202,
  body: JSON.stringify({ ok: true, id: 'api-1', ...members }),
});
const problem = (status: number, members: object = {}) => ({
  status,
  body: JSON.stringify({ title: 'Title.', detail: 'Detail.', ...members }),
});
const unsent = { failed: 'connect ECONNREFUSED', isUnsent: true };
const broken = { failed: 'other side closed', isUnsent: false };

test.each<[name: string, answer: ApiAnswer, mayBeStored: boolean, verdict: object]>([
  ['202', stored({ duplicate: false }), false, { kind: 'accepted', id: 'api-1', duplicate: false }],
  [
    '202 of a repetition',
    stored({ duplicate: true }),
    true,
    { kind: 'accepted', id: 'api-1', duplicate: true },
  ],
  [
    '503: surely not stored',
    problem(503),
    false,
    { kind: 'refused', reason: 'HTTP 503: Title. Detail.', endsRun: false },
  ],
  ['503 after a 504: the first request may be stored', problem(503), true, { kind: 'again' }],
  ['504, with the id', problem(504, { id: 'api-1' }), false, { kind: 'again', id: 'api-1' }],
  ['413', problem(413), false, { kind: 'refused', endsRun: false }],
  ['401', problem(401), false, { kind: 'refused', endsRun: true }],
  ['404', problem(404), false, { kind: 'refused', endsRun: true }],
  ['500: nobody knows', problem(500), false, { kind: 'again', id: null }],
  [
    '502 of a proxy, whose body is no JSON',
    { status: 502, body: '<html>' },
    false,
    { kind: 'again', reason: 'HTTP 502' },
  ],
  ['200, which the API never answers', { status: 200, body: '{}' }, false, { kind: 'again' }],
  ['202 without an id', { status: 202, body: 'null' }, false, { kind: 'again' }],
  ['no connection', unsent, false, { kind: 'refused', endsRun: false }],
  ['no connection for a repetition', unsent, true, { kind: 'again' }],
  ['a connection that broke', broken, false, { kind: 'again' }],
])('%s', (_name, answer, mayBeStored, verdict) => {
  expect(judgeAnswer(answer, mayBeStored)).toMatchObject(verdict);
});
