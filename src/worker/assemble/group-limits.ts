import type pg from 'pg';
import type { GroupLimits } from '../../core/capacity/endpoint-limits.ts';
import type { Peers } from '../../delivery/peers.ts';
import { type Group, readEndpointLimits } from '../../postgres/tables/endpoints-table.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';

const HINT =
  'The limits that can be read are followed. Of a table that cannot be read, the last known rows hold. Correct the table, as error says.';

/** Returns a read of the limits and the live workers of the group. Of a table that cannot be read, the last known rows hold. */
export function groupLimitsReader(
  pool: pg.Pool,
  group: Group,
  peers: Peers,
  log: Logger,
): () => Promise<GroupLimits> {
  const incomplete = new ProblemLog();
  let known: GroupLimits = { byOperator: new Map(), liveWorkers: 1 };
  return async () => {
    const { byOperator, instances, problem } = await readEndpointLimits(pool, group);
    if (problem === null) incomplete.clear();
    else incomplete.report(() => log.warn({ error: problem, hint: HINT }, 'limits.read_incomplete'));
    if (instances !== null) peers.onRead(instances);
    known = {
      byOperator: byOperator ?? known.byOperator,
      liveWorkers: instances === null ? known.liveWorkers : Math.max(1, instances.length),
    };
    return known;
  };
}
