import { API_CASES } from './api-cases.ts';
import type { ChaosCase } from './case.ts';
import { CLUSTER_CASES } from './cluster-cases.ts';
import { ENDPOINT_CASES } from './endpoint-cases.ts';
import { MIXED_CASES } from './mixed-cases.ts';
import { NATS_CASES } from './nats-cases.ts';
import { POSTGRES_CASES } from './postgres-cases.ts';
import { RELAY_CASES } from './relay-cases.ts';
import { STREAM_CASES } from './stream-cases.ts';
import { WORKER_CASES } from './worker-cases.ts';

/** In the order of the table. */
export const CHAOS_CASES: readonly ChaosCase[] = [
  ...WORKER_CASES,
  ...NATS_CASES,
  ...CLUSTER_CASES,
  ...STREAM_CASES,
  ...POSTGRES_CASES,
  ...ENDPOINT_CASES,
  ...MIXED_CASES,
  ...API_CASES,
  ...RELAY_CASES,
];
