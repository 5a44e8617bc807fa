import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

/** What the judge found in the files of a fault. It counts deliveries: each message has one here. */
export type Verdict = {
  /** Messages that must arrive. */
  readonly accepted: number;
  /** Accepted messages that were answered with a 2xx. */
  readonly delivered: number;
  /** Accepted messages that became dead letters instead. */
  readonly deadLetters: number;
  /** Dead letters of messages that were answered with a 2xx, or not refused as often as they may be tried. */
  readonly undeserved: number;
  /** Dead letters that had another number of requests than they say, or more than MAX_ATTEMPTS. */
  readonly otherAttempts: number;
  /** Accepted messages that are neither delivered nor dead letters. */
  readonly lost: number;
  /** Requests for messages that were answered with a 2xx before. */
  readonly doubled: number;
  /** Requests at an endpoint that the message is not for. */
  readonly misrouted: number;
  /** Requests before an earlier message with the same ordering key was done, or after a later one was sent. */
  readonly outOfOrder: number;
  /** Messages that were sent before their time. */
  readonly early: number;
  /** Messages that arrived although they were rolled back, or surely not stored. */
  readonly unwanted: number;
  /** 99 of 100 deliveries at the healthy endpoint took at most this long, in milliseconds. Null: none was measured. */
  readonly p99Ms: { readonly control: number | null; readonly beside: number | null };
};

const JUDGE = resolve('test/chaos/judge.mjs');

/** Lets the judge, a program of its own, read the files in the folder. */
export async function verdictOn(folder: string): Promise<Verdict> {
  const judging = promisify(execFile)(process.execPath, [JUDGE, folder]);
  // Exit code 1: the judge found a broken promise, and says so in its output.
  const { stdout } = await judging.catch((error) => {
    if (error.code !== 1 || error.stdout === '') throw error;
    return error as { stdout: string };
  });
  return JSON.parse(stdout);
}

/** How much longer the deliveries at the healthy endpoint took beside the misbehaving one. Null: not measured. */
export function slowdownOf({ p99Ms: { control, beside } }: Verdict): number | null {
  return control === null || beside === null ? null : beside / control;
}

/** How much longer deliveries at a healthy endpoint may take beside a misbehaving one. */
const MAX_SLOWDOWN = 2;

/** The broken promises, one sentence each, without the slowdown. */
export function brokenPromises(verdict: Verdict): string[] {
  const { lost, undeserved, misrouted, outOfOrder, early, unwanted } = verdict;
  const found: [number, string][] = [
    [lost, `${lost} lost, or not delivered in time`],
    [undeserved, `${undeserved} dead letters that are not deserved`],
    [misrouted, `${misrouted} requests at a wrong endpoint`],
    [outOfOrder, `${outOfOrder} requests out of order`],
    [early, `${early} messages sent before their time`],
    [unwanted, `${unwanted} never committed or refused as not stored, but sent`],
  ];
  return found.filter(([count]) => count > 0).map(([, sentence]) => sentence);
}

/** A sentence if the healthy endpoint was slowed too much. */
export function brokenIsolation(verdict: Verdict): string[] {
  const { control, beside } = verdict.p99Ms;
  if ((control === null) !== (beside === null))
    return ['the delivery times were not measured, so that they cannot be compared'];
  const slowdown = slowdownOf(verdict) ?? 0;
  if (slowdown <= MAX_SLOWDOWN) return [];
  return [`deliveries at the healthy endpoint took ${slowdown.toFixed(2)} times as long (p99)`];
}
