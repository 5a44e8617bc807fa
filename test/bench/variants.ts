import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { environment, type Settings } from '../../src/config/settings.ts';
import { type BenchProcess, startBenchProcess } from './process.ts';
import type { BenchTarget } from './target.ts';

/** A worker to measure. */
export type Variant = {
  readonly name: string;
  readonly start: (target: BenchTarget, databaseUrl: string | null) => BenchProcess;
  /** True if the worker writes statistics. */
  readonly records: boolean;
};

/** The program of this checkout, in the working folder. */
export const OUR_PROGRAM = 'dist/main.js';

/** How often our worker writes statistics, in milliseconds. A longer time would make the bench wait at the end of a run. */
const STATS_INTERVAL_MS = '1000';
/** Nothing listens at this URL: our worker delivers without PostgreSQL. */
const NO_DATABASE = 'postgresql://127.0.0.1:1/none';

export const floor = program('floor: bare dispatch, pull and ack', './floor.js');
export const naive = program('consume, JSON.parse, request, ack', './naive.js');

function program(name: string, path: string): Variant {
  const file = new URL(path, import.meta.url);
  return {
    name,
    records: false,
    start: (target) => startBenchProcess(name, file, [JSON.stringify(target)], inherited()),
  };
}

/**
 * Our own worker, with the default settings except ATTEMPT_LOG.
 *
 * @param main The built program.
 */
export function ourWorker(attemptLog: Settings['ATTEMPT_LOG'], main: string = OUR_PROGRAM): Variant {
  const name = `${main === OUR_PROGRAM ? 'this worker' : main}, ATTEMPT_LOG=${attemptLog}`;
  return {
    name,
    records: true,
    start: (target, databaseUrl) =>
      startBenchProcess(name, pathToFileURL(resolve(main)), ['worker'], {
        ...inherited(),
        NATS_URL: target.servers.join(','),
        NATS_USER: target.user,
        NATS_PASS: target.pass,
        DATABASE_URL: databaseUrl ?? NO_DATABASE,
        STREAM_NAME: target.stream,
        SUBJECT: `${target.stream}.*`,
        QUEUE_GROUP: target.durable,
        CONSUMER_NAME: 'bench',
        CONCURRENCY: String(target.concurrency),
        ATTEMPT_LOG: attemptLog,
        STATS_INTERVAL_MS,
        ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
        HTTP_PORT: '0',
        LOG_LEVEL: 'warn',
        LOG_FORMAT: 'json',
      }),
  };
}

/** The part of our own environment that a measured program gets. */
export function inherited() {
  const { PATH, HOME, TZ, NODE_EXTRA_CA_CERTS } = environment();
  return { PATH, HOME, TZ, NODE_EXTRA_CA_CERTS };
}
